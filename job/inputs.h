// Whether the files that a job names can be used: what is wrong with them is
// said before anything is started.
//
// Reads them; reentrant.
#pragma once

#include "absl/status/status.h"
#include "aha/v1/job.pb.h"

namespace aha {

// INVALID_ARGUMENT, a line for each key that names an unusable file, for each
// prompt that cannot be encoded or whose answer a reward cannot judge by, and
// if the model's context is too short for prompt and completion.  Of weights
// only the headers are read.  REQUIRES: the job came from LoadJob or
// ResolveJob.
absl::Status CheckInputs(const v1::Job& job);

}  // namespace aha
