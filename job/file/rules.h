// The Rule annotations, enforced; internal to job/.
#pragma once

#include "aha/v1/job.pb.h"
#include "job/config_errors.h"

namespace aha {

// Required keys, ranges and lists of allowed values, over the whole job.
void CheckRules(const v1::Job& job, ConfigErrors* errors);

}  // namespace aha
