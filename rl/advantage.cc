#include "rl/advantage.h"

#include <algorithm>
#include <cmath>
#include <vector>

#include "absl/strings/str_cat.h"
#include "base/names.h"
#include "base/status.h"

namespace aha {
namespace {

constexpr NamedValue<AdvantageEstimator> kEstimators[] = {
    {AdvantageEstimator::kGroupMean, "group_mean"},
    {AdvantageEstimator::kLeaveOneOut, "leave_one_out"}};
constexpr NamedValue<ScaleRewards> kScales[] = {{ScaleRewards::kGroup, "group"},
                                                {ScaleRewards::kBatch, "batch"},
                                                {ScaleRewards::kNone, "none"}};

// Sums from small to large, so that the samples' order leaves no trace.
double OrderFreeSum(std::vector<double> values) {
  std::sort(values.begin(), values.end());
  double sum = 0;
  for (const double value : values) sum += value;
  return sum;
}

double Mean(absl::Span<const double> rewards) {
  return OrderFreeSum({rewards.begin(), rewards.end()}) / rewards.size();
}

absl::Status CheckGroup(absl::Span<const double> rewards, size_t outputs) {
  if (rewards.size() < 2) {
    return absl::InvalidArgumentError(
        absl::StrCat("a group needs at least 2 rewards, got ", rewards.size()));
  }
  if (rewards.size() != outputs) {
    return absl::InvalidArgumentError(
        absl::StrCat("rewards and advantages must have equal sizes, got ",
                     rewards.size(), " and ", outputs));
  }
  for (size_t i = 0; i < rewards.size(); ++i) {
    if (!std::isfinite(rewards[i])) {
      return absl::InvalidArgumentError(
          absl::StrCat("rewards[", i, "] must be finite, got ", rewards[i]));
    }
  }
  return absl::OkStatus();
}

}  // namespace

absl::StatusOr<ScaleRewards> ParseScaleRewards(absl::string_view text) {
  return ValueOfName("scale_rewards", kScales, text);
}

absl::string_view ScaleRewardsName(ScaleRewards scale) {
  return NameOfValue(kScales, scale);
}

absl::StatusOr<AdvantageEstimator> ParseAdvantageEstimator(
    absl::string_view text) {
  return ValueOfName("advantage_estimator", kEstimators, text);
}

absl::string_view AdvantageEstimatorName(AdvantageEstimator estimator) {
  return NameOfValue(kEstimators, estimator);
}

absl::Status AdvantageOptions::Validate() const {
  if (ddof != 0 && ddof != 1) {
    return absl::InvalidArgumentError(
        absl::StrCat("ddof must be 0 or 1, got ", ddof));
  }
  if (!(eps >= 0) || !std::isfinite(eps)) {
    return absl::InvalidArgumentError(
        absl::StrCat("eps must be at least 0, got ", eps));
  }
  return absl::OkStatus();
}

bool IsDegenerate(absl::Span<const double> rewards) {
  if (rewards.empty()) return true;
  const auto [low, high] = std::minmax_element(rewards.begin(), rewards.end());
  return *high - *low < kZeroRewardRange;
}

double RewardDeviation(absl::Span<const double> rewards, int ddof) {
  const int64_t divisor = static_cast<int64_t>(rewards.size()) - ddof;
  if (divisor < 1 || IsDegenerate(rewards)) return 0;
  const double mean = Mean(rewards);
  std::vector<double> squares;
  squares.reserve(rewards.size());
  for (const double reward : rewards) {
    squares.push_back((reward - mean) * (reward - mean));
  }
  return std::sqrt(OrderFreeSum(std::move(squares)) / divisor);
}

absl::Status GroupAdvantages(const AdvantageOptions& options,
                             absl::Span<const double> rewards,
                             double batch_deviation,
                             absl::Span<float> advantages) {
  AHA_RETURN_IF_ERROR(options.Validate());
  AHA_RETURN_IF_ERROR(CheckGroup(rewards, advantages.size()));
  if (IsDegenerate(rewards)) {
    std::fill(advantages.begin(), advantages.end(), 0.0f);
    return absl::OkStatus();
  }
  double divisor = 1;
  if (options.scale == ScaleRewards::kGroup) {
    divisor = RewardDeviation(rewards, options.ddof) + options.eps;
  } else if (options.scale == ScaleRewards::kBatch) {
    if (!(batch_deviation > 0) || !std::isfinite(batch_deviation)) {
      return absl::InvalidArgumentError(absl::StrCat(
          "batch_deviation must be above 0 when a group's rewards differ, "
          "got ",
          batch_deviation));
    }
    divisor = batch_deviation + options.eps;
  }
  const double mean = Mean(rewards);
  const double count = static_cast<double>(rewards.size());
  const bool leave_one_out =
      options.estimator == AdvantageEstimator::kLeaveOneOut;
  for (size_t i = 0; i < rewards.size(); ++i) {
    double difference = rewards[i] - mean;
    if (leave_one_out) difference *= count / (count - 1);
    advantages[i] = static_cast<float>(difference / divisor);
  }
  return absl::OkStatus();
}

}  // namespace aha
