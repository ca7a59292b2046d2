// What was sampled: rollouts/step-NNNNNN.jsonl, read and laid out for people.
//
// Broken lines are counted and left out.  Pure but for ReadRollouts and
// ListRollouts.
#pragma once

#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "cli/report/progress.h"
#include "cli/term/json.h"

namespace aha::cli {

struct Rollout {
  std::string stage;
  int64_t step = 0;
  int64_t slot = 0;
  int64_t sample = 0;
  std::string prompt;
  std::string completion;
  size_t tokens = 0;
  int64_t policy_version = 0;
  std::string finish_reason;
  double reward = 0;
  std::vector<std::pair<std::string, double>> rewards;  // By component.
  std::optional<double> advantage;                      // None in eval stages.
};

Rollout ParseRollout(const Json& line);

struct RolloutFile {
  std::string path;
  int64_t step = 0;
  std::vector<Json> lines;  // As in the file, for -o json.
  std::vector<Rollout> rollouts;
  int broken = 0;
};

// rollouts/step-000012.jsonl, or rollouts/<stage>-step-000012.jsonl in a job
// of several grpo stages.
struct RolloutRef {
  std::string stage;  // Empty if the name has none.
  int64_t step = 0;
  std::string path;
};

// What is there: stages in the order they began, steps ascending.
std::vector<RolloutRef> ListRollouts(const std::string& directory);
absl::StatusOr<RolloutFile> ReadRollouts(const std::string& path);

struct StepSummary {
  int64_t step = 0;
  int64_t policy_version = 0;
  size_t groups = 0;
  size_t trajectories = 0;
  double reward_mean = 0;
  double reward_std = 0;  // Over trajectories, ddof 1.
  double mean_length = 0;
  double clipped_ratio = 0;     // finish_reason "length".
  double degenerate_ratio = 0;  // Groups whose rewards are all equal.
};

StepSummary Summarize(const RolloutFile& file);

// The slot whose rewards differ most, the first of several; of completions that
// are all rewarded alike there is nothing to learn.
int64_t MostInstructiveSlot(const RolloutFile& file);

// One group: its prompt, then its different completions side by side in as
// many columns as fit, the best rewarded first, each under its samples, reward,
// components, advantage and finish reason.
// REQUIRES: group is not empty.
std::vector<std::string> RenderGroup(std::vector<Rollout> group,
                                     const Style& style);

}  // namespace aha::cli
