// Defaults; internal to job/.
#pragma once

#include "aha/v1/job.pb.h"

namespace aha {

// Sets every key that has a default, and those that follow from others.
// Alternatives that were not chosen stay away (model.architecture beside
// model.path, a stage's settings for another type), as do keys whose absence
// means something (epsilon_high, delta).  Idempotent.
void FillDefaults(v1::Job* job);

}  // namespace aha
