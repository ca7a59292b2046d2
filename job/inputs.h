// Checks the files that a job names, so that an unusable file is reported
// before anything is started.
//
// The functions read those files; they are reentrant.
#pragma once

#include <string>
#include <vector>

#include "absl/status/status.h"
#include "aha/v1/job.pb.h"

namespace aha {

// INVALID_ARGUMENT with a line for each key that names an unusable file, for
// each prompt that cannot be encoded or whose answer a reward cannot judge by,
// for each stage that wants more prompts than there are, and if the context of
// the model is too short for prompt and completion.  Of weights it reads only
// the headers.  REQUIRES: the job came from LoadJob or ResolveJob.
//
// Adds to *notes, if it is not null, what is no error and what a user should
// know: rows that on_bad_row leaves out, held-out prompts that are training
// prompts, too.
absl::Status CheckInputs(const v1::Job& job,
                         std::vector<std::string>* notes = nullptr);

}  // namespace aha
