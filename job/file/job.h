// Reads job files: YAML in, a complete and checked v1::Job out.
//
// The schema is proto/aha/v1/job.proto with its Rule annotations, and nothing
// about single keys is repeated here.  Every config error is one line
//
//   recipes/x.yaml:12: stages[1].grpo.steps: must be at least 1, got 0
//
// and all errors that can be found at once are reported together.
//
// A job is *resolved* if it came from LoadJob, ParseJob or ResolveJob: every
// default is filled in, and every check has passed.
//
// All functions are reentrant.
#pragma once

#include <string>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "absl/types/span.h"
#include "aha/v1/job.pb.h"

namespace aha {

// Reads a job file, applies `overrides`, fills in defaults and checks the job.
// An override is "key=value" with a dotted key and list indices
// ("stages[1].grpo.steps=5"); its value is YAML.  NOT_FOUND if there is no such
// file, INVALID_ARGUMENT for any other error.
absl::StatusOr<v1::Job> LoadJob(const std::string& path,
                                absl::Span<const std::string> overrides = {});
// The same for a text; `name` stands in errors in place of a path.
absl::StatusOr<v1::Job> ParseJob(absl::string_view text, absl::string_view name,
                                 absl::Span<const std::string> overrides = {});

// The same for a job that came as a message.  A resolved job stays as it is.
absl::StatusOr<v1::Job> ResolveJob(const v1::Job& job);

// Makes the paths of files absolute, from the working directory, so that the
// job means the same files wherever it is read again.
void MakePathsAbsolute(v1::Job* job);

// The keys that are set, in the order of the schema.  ParseJob reads the YAML
// back into the same job.
std::string JobToYaml(const v1::Job& job);
std::string JobToJson(const v1::Job& job);

}  // namespace aha
