// The shortest valid job, which tests modify.
#pragma once

#include <string>
#include <vector>

#include "absl/strings/string_view.h"
#include "job/file/job.h"

namespace aha {

inline constexpr absl::string_view kMinimalJob = R"(name: small
model:
  architecture:
    hidden_size: 64
    max_position_embeddings: 128
rewards:
  - type: accuracy
sampling:
  max_completion_length: 64
stages:
  - name: pretrain
    type: sft
    sft:
      steps: 3
  - name: grpo
    type: grpo
    grpo:
      steps: 5
  - name: after
    type: eval
)";

// Returns the error of a job file; "ok" if there is none.
inline std::string ErrorOf(absl::string_view text) {
  const auto job = ParseJob(text, "job.yaml");
  return job.ok() ? "ok" : std::string(job.status().message());
}

// Returns the error of the minimal job with the overrides; "ok" if there is
// none.
inline std::string ErrorWith(const std::vector<std::string>& overrides) {
  const auto job = ParseJob(kMinimalJob, "job.yaml", overrides);
  return job.ok() ? "ok" : std::string(job.status().message());
}

}  // namespace aha
