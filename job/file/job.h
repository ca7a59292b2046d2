// Job files: YAML in, a complete and checked v1::Job out.
//
// The schema is proto/aha/v1/job.proto with its Rule annotations; nothing
// about single keys is repeated here.  Every error is one line
//
//   recipes/x.yaml:12: stages[1].grpo.steps: must be at least 1, got 0
//
// and all errors of a file that can be found at once are reported together,
// a line each.
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

// Reads, overrides, fills in and checks.  `overrides` are "key=value" with
// dotted keys and list indices ("stages[1].grpo.steps=5"); the value is YAML.
// NOT_FOUND if there is no such file, else INVALID_ARGUMENT.
absl::StatusOr<v1::Job> LoadJob(const std::string& path,
                                absl::Span<const std::string> overrides = {});
// `name` stands in errors.
absl::StatusOr<v1::Job> ParseJob(absl::string_view text, absl::string_view name,
                                 absl::Span<const std::string> overrides = {});

// For jobs that come as messages: fills in every default and checks.
// Idempotent, and the identity on what LoadJob returned.
absl::StatusOr<v1::Job> ResolveJob(const v1::Job& job);

// Relative paths of files become absolute ones, from the working directory, so
// that the job means the same files wherever it is read again.
void MakePathsAbsolute(v1::Job* job);

// The keys that are set, in the schema's order.  ParseJob reads the YAML back
// into the same job.
std::string JobToYaml(const v1::Job& job);
std::string JobToJson(const v1::Job& job);

}  // namespace aha
