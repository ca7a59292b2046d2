// The checks of a job file that concern more than one key; internal to
// job/file/.
#pragma once

#include "aha/v1/job.pb.h"
#include "job/config_errors.h"

namespace aha {

// Checks that keys agree with each other.  REQUIRES: FillDefaults was called
// and CheckRules found nothing.
void CheckSemantics(const v1::Job& job, ConfigErrors* errors);

}  // namespace aha
