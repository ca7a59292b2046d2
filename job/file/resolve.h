// The defaults of a job file; internal to job/file/.
#pragma once

#include "aha/v1/job.pb.h"

namespace aha {

// Sets every key that has a default, and those that follow from other keys.  It
// does not add alternatives that the user did not choose (model.architecture
// beside model.path), nor keys whose absence means something (epsilon_high,
// delta).  Idempotent.
void FillDefaults(v1::Job* job);

}  // namespace aha
