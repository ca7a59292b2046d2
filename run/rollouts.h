// rollouts/step-NNNNNN.jsonl: the trajectories of a step, a line each.
//
// The learner of rank 0 writes the lines; commands and reports read them and
// compute what a person wants to know of a step.  Lines that are damaged are
// counted and left out.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "absl/status/statusor.h"
#include "base/lenient_json.h"

namespace aha::run {

// How one component judged a completion.
struct RolloutVerdict {
  std::string outcome;   // "score", "unparsable", ... (docs/rewards.md).
  std::string evidence;  // What the verifier read, for people.
};

struct Rollout {
  uint64_t step = 0;
  uint64_t slot = 0;    // The group's position in the step.
  uint64_t sample = 0;  // The trajectory's in its group.
  std::string prompt_id;
  std::string prompt;  // The text in the data.
  // What the policy saw: the prompt in the model's chat format, its system text
  // included, with every special token spelled out.
  std::string rendered_prompt;
  std::vector<int32_t> prompt_token_ids;  // The same as tokens.
  std::string reference;
  std::string completion;
  std::vector<int32_t> token_ids;  // Tokens of the completion.
  std::vector<float> logprobs;     // One for each token.
  uint64_t policy_version = 0;
  std::string finish_reason;  // "stop" or "length".
  double reward = 0;
  std::vector<std::pair<std::string, double>> rewards;  // By component.
  // By component; empty if the reward service sent none.
  std::vector<std::pair<std::string, RolloutVerdict>> verdicts;
  std::optional<float> advantage;  // None in eval stages.
};

// Without the newline.  Numbers read back as the same bits.
std::string RolloutLine(const Rollout& rollout);
Json ToJson(const Rollout& rollout);
Rollout ParseRollout(const Json& line);

// A file of rollouts by its name.
struct RolloutRef {
  std::string stage;  // Empty if the job has one stage with rollouts.
  uint64_t step = 0;
  std::string path;
};

// The files in `directory`: stages in the order in which they began, steps
// ascending.
std::vector<RolloutRef> ListRollouts(const std::string& directory);

struct RolloutFile {
  std::string path;
  uint64_t step = 0;
  std::vector<Rollout> rollouts;
  int broken = 0;  // Lines that were left out.
};

absl::StatusOr<RolloutFile> ReadRollouts(const std::string& path);

struct StepSummary {
  uint64_t step = 0;
  uint64_t policy_version = 0;
  size_t groups = 0;
  size_t trajectories = 0;
  double reward_mean = 0;
  double reward_std = 0;        // Over trajectories, divided by n - 1.
  double mean_length = 0;       // Tokens of a completion.
  double clipped_ratio = 0;     // Completions that ended by "length".
  double degenerate_ratio = 0;  // Groups whose rewards are all equal.
};

StepSummary Summarize(const RolloutFile& file);

// The slot whose rewards have the greatest variance, the first of several.  A
// group whose completions are all rewarded alike teaches nothing.
uint64_t MostInstructiveSlot(const RolloutFile& file);

}  // namespace aha::run
