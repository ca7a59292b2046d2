// Advantages from the rewards of a group (docs/algorithms.md section 2).
//
// Computed in double and rounded once.  A group's result does not depend on
// the order of its samples, and a group whose rewards span less than
// kZeroRewardRange gets advantages of exactly 0: rounding must not become a
// signal.
//
// All functions are pure.
#pragma once

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "absl/types/span.h"

namespace aha {

constexpr double kZeroRewardRange = 1e-8;

// By what the centred rewards are divided: the standard deviation of their
// group, of all rewards of the step, or nothing (Dr. GRPO).
enum class ScaleRewards { kGroup, kBatch, kNone };
absl::StatusOr<ScaleRewards> ParseScaleRewards(absl::string_view text);

struct AdvantageOptions {
  ScaleRewards scale = ScaleRewards::kGroup;
  int ddof = 1;       // The deviation's divisor is count - ddof; 0 or 1.
  double eps = 1e-6;  // Added to the deviation.

  absl::Status Validate() const;
};

// Of the rewards themselves; exactly 0 if they span less than
// kZeroRewardRange or there are fewer than ddof + 1.
double RewardDeviation(absl::Span<const double> rewards, int ddof = 1);

// Whether the rewards carry no signal (TRL's frac_reward_zero_std).
bool IsDegenerate(absl::Span<const double> rewards);

// advantages[i] = (rewards[i] - mean) / (deviation + eps) over one group.
// `batch_deviation` is RewardDeviation of every reward of the step; used by
// kBatch only.  INVALID_ARGUMENT for fewer than two rewards, sizes that differ
// or a reward that is not finite.
absl::Status GroupAdvantages(const AdvantageOptions& options,
                             absl::Span<const double> rewards,
                             double batch_deviation,
                             absl::Span<float> advantages);

}  // namespace aha
