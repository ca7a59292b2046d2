// Advantages of a group's completions from their rewards: how much better each
// one is than the group's baseline (docs/algorithms.md section 2).
//
// They are computed in double and rounded once.  A group's result does not
// depend on the order of its samples.  A group whose rewards span less than
// kZeroRewardRange gets advantages of exactly 0, so that rounding never becomes
// a signal.
//
// All functions are pure.
#pragma once

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "absl/types/span.h"

namespace aha {

constexpr double kZeroRewardRange = 1e-8;

// What a reward is compared with: the mean of its group, or the mean of the
// other rewards of its group (RLOO).
enum class AdvantageEstimator { kGroupMean, kLeaveOneOut };
absl::StatusOr<AdvantageEstimator> ParseAdvantageEstimator(
    absl::string_view text);
absl::string_view AdvantageEstimatorName(AdvantageEstimator estimator);

// What the difference from the baseline is divided by: the standard deviation
// of the group, that of all rewards of the step, or nothing (Dr. GRPO, RLOO).
enum class ScaleRewards { kGroup, kBatch, kNone };
absl::StatusOr<ScaleRewards> ParseScaleRewards(absl::string_view text);
absl::string_view ScaleRewardsName(ScaleRewards scale);

struct AdvantageOptions {
  AdvantageEstimator estimator = AdvantageEstimator::kGroupMean;
  ScaleRewards scale = ScaleRewards::kGroup;
  int ddof = 1;       // The deviation's divisor is count - ddof; 0 or 1.
  double eps = 1e-6;  // Added to the deviation.

  absl::Status Validate() const;
};

// The standard deviation of the rewards; exactly 0 if they span less than
// kZeroRewardRange or there are fewer than ddof + 1 of them.
double RewardDeviation(absl::Span<const double> rewards, int ddof = 1);

// Whether the rewards carry no signal (TRL's frac_reward_zero_std).
bool IsDegenerate(absl::Span<const double> rewards);

// advantages[i] = (rewards[i] - baseline) / (deviation + eps) over one group;
// kNone does not divide.  The baseline of kLeaveOneOut is computed from the
// group's mean, as rewards[i] - baseline = G / (G - 1) * (rewards[i] - mean),
// so that equal rewards have equal advantages.
//
// `batch_deviation` is RewardDeviation of every reward of the step; only kBatch
// uses it.  INVALID_ARGUMENT for fewer than two rewards, sizes that differ or a
// reward that is not finite.
absl::Status GroupAdvantages(const AdvantageOptions& options,
                             absl::Span<const double> rewards,
                             double batch_deviation,
                             absl::Span<float> advantages);

}  // namespace aha
