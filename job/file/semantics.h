// What no single key's rule can say; internal to job/.
#pragma once

#include "aha/v1/job.pb.h"
#include "job/file/problems.h"

namespace aha {

// Checks that keys agree with each other.  REQUIRES: FillDefaults was called
// and CheckRules found nothing.
void CheckSemantics(const v1::Job& job, Problems* problems);

}  // namespace aha
