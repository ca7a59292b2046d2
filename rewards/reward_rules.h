// Rule rewards: what a completion's text is worth
// (docs/algorithms.md section 5).
//
// Pure functions, in time linear in the text, whatever the text: completions
// are hostile input.
#pragma once

#include <string>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "absl/types/span.h"

namespace aha {

//   accuracy     the text inside the only <answer> block, which must come
//                after a <think> block, equals the reference (both trimmed)
//   format       <think>...</think><answer>...</answer>, each tag once, and
//                nothing else but white space outside the blocks
//   last_number  the last number in the text equals the reference, exactly as
//                decimal numbers; not if the completion was cut inside it
//   boxed        the content of the last brace-balanced \boxed{} equals the
//                reference, as trimmed text or as a decimal number
//   contains     the reference occurs in the text
enum class RewardRule { kAccuracy, kFormat, kLastNumber, kBoxed, kContains };
absl::StatusOr<RewardRule> ParseRewardRule(absl::string_view type);
absl::string_view RewardRuleName(RewardRule rule);

// A scored component of the job file.
struct RewardComponent {
  RewardRule rule = RewardRule::kAccuracy;
  std::string name;  // In metrics and rollouts.
  double weight = 1;
};

struct RewardInput {
  absl::string_view completion;  // Without the end token.
  absl::string_view reference;
  bool truncated = false;  // Finish reason length.
};

struct RewardScore {
  double total = 0;           // Sum of weight * value, in order.
  std::vector<double> parts;  // Values (0 or 1), by component.
};

// Whether the rule can judge by this reference at all; last_number needs a
// number, accuracy, boxed and contains any text but
// white space (contains: at most 1024 bytes).
absl::Status CheckReference(RewardRule rule, absl::string_view reference);

// 1 or 0.  A reference that CheckReference refuses is an error, not a 0.
absl::StatusOr<double> ScoreRule(RewardRule rule, const RewardInput& input);

absl::StatusOr<RewardScore> ScoreCompletion(
    absl::Span<const RewardComponent> components, const RewardInput& input);

}  // namespace aha
