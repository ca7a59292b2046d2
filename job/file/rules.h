// Checks a job against the Rule annotations of its schema; internal to
// job/file/.
#pragma once

#include "aha/v1/job.pb.h"
#include "job/config_errors.h"

namespace aha {

// Checks required keys, ranges and lists of allowed values over the whole job.
void CheckRules(const v1::Job& job, ConfigErrors* errors);

}  // namespace aha
