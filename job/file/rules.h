// The Rule annotations, enforced; internal to job/.
#pragma once

#include "aha/v1/job.pb.h"
#include "job/file/problems.h"

namespace aha {

// Required keys, ranges and lists of allowed values, over the whole job.
void CheckRules(const v1::Job& job, Problems* problems);

}  // namespace aha
