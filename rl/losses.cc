#include "rl/losses.h"

#include <algorithm>
#include <cmath>

#include "absl/strings/str_cat.h"
#include "base/names.h"
#include "base/status.h"

namespace aha {
namespace {

enum class Weighting { kTokenMean, kTokenSum };  // Within a completion.
enum class Denominator {
  kCompletions,
  kTokens,
  kUnmaskedTokens,
  kCompletionsTimesLongest,
};
enum class TokenLoss { kClippedRatio, kWeightedLogprob };

// A loss type is a row of this table and nothing else.
struct LossRow {
  LossType type;
  absl::string_view name;
  Weighting weighting;
  Denominator denominator;
  TokenLoss token_loss = TokenLoss::kClippedRatio;
};
constexpr LossRow kLosses[] = {
    {LossType::kGrpo, "grpo", Weighting::kTokenMean, Denominator::kCompletions},
    {LossType::kDapo, "dapo", Weighting::kTokenSum, Denominator::kTokens},
    {LossType::kBnpo, "bnpo", Weighting::kTokenSum,
     Denominator::kUnmaskedTokens},
    {LossType::kDrGrpo, "dr_grpo", Weighting::kTokenSum,
     Denominator::kCompletionsTimesLongest},
    {LossType::kCispo, "cispo", Weighting::kTokenSum, Denominator::kTokens,
     TokenLoss::kWeightedLogprob},
};

const LossRow& RowOf(LossType type) {
  for (const LossRow& row : kLosses) {
    if (row.type == type) return row;
  }
  return kLosses[0];
}

constexpr NamedValue<ImportanceLevel> kLevels[] = {
    {ImportanceLevel::kToken, "token"},
    {ImportanceLevel::kSequence, "sequence"}};

// exp(20) is 4.9e8: beyond it a ratio says no more than that the policies
// differ, and exp would overflow.
constexpr double kMaxLogRatio = 20;

struct ValueAndGrad {
  double value = 0;
  double grad = 0;  // By the log of the ratio.
};

// PPO's clipped objective with both safety bounds, as a loss.
ValueAndGrad ClippedLoss(const LossOptions& options, double log_ratio,
                         double advantage) {
  if (advantage == 0) return {};
  const double ratio = std::exp(log_ratio);
  const double low = 1 - options.epsilon;
  const double high = 1 + options.EpsilonHigh();
  const bool bounded = options.delta && ratio > *options.delta;
  const double plain = -(bounded ? *options.delta : ratio) * advantage;
  const double clipped = -std::clamp(ratio, low, high) * advantage;
  const bool saturated = std::abs(log_ratio) >= kMaxLogRatio;
  const double slope = saturated ? 0 : -ratio * advantage;

  ValueAndGrad result;
  if (plain >= clipped) {
    result = {plain, bounded ? 0 : slope};
  } else {
    const bool inside = ratio >= low && ratio <= high;
    result = {clipped, inside ? slope : 0};
  }
  if (options.dual_clip && advantage < 0) {
    const double limit = -*options.dual_clip * advantage;
    if (result.value > limit) result = {limit, 0};
  }
  return result;
}

// The clipped ratio, held constant, times A times the log-probability, as a
// loss.
ValueAndGrad WeightedLoss(const LossOptions& options, double log_ratio,
                          double advantage, double logprob) {
  if (advantage == 0) return {};
  const double weight = std::clamp(std::exp(log_ratio), 1 - options.epsilon,
                                   1 + options.EpsilonHigh());
  return {-weight * advantage * logprob, -weight * advantage};
}

// k3 = exp(d) - d - 1 with d = ref - logp, and its slope by logp.
ValueAndGrad KlTerm(double logprob, double ref_logprob) {
  const double raw = ref_logprob - logprob;
  const double d = std::clamp(raw, -kMaxLogRatio, kMaxLogRatio);
  const double growth = std::expm1(d);
  return {growth - d, raw == d ? -growth : 0};
}

double ClampedLogRatio(double log_ratio) {
  return std::clamp(log_ratio, -kMaxLogRatio, kMaxLogRatio);
}

void CountRatio(const LossOptions& options, double log_ratio, double advantage,
                LossSums* sums) {
  const double ratio = std::exp(log_ratio);
  ++sums->ratios;
  sums->ratio_sum += ratio;
  sums->ratio_min = std::min(sums->ratio_min, ratio);
  sums->ratio_max = std::max(sums->ratio_max, ratio);
  if (advantage < 0 && ratio < 1 - options.epsilon) ++sums->clipped_low;
  if (advantage > 0 && ratio > 1 + options.EpsilonHigh()) {
    ++sums->clipped_high;
  }
}

absl::Status CheckLogprobs(absl::string_view name,
                           absl::Span<const float> logprobs, size_t length) {
  if (logprobs.size() != length) {
    return absl::InvalidArgumentError(
        absl::StrCat(name, " must have the completion's length ", length,
                     ", got ", logprobs.size()));
  }
  for (size_t t = 0; t < length; ++t) {
    if (!std::isfinite(logprobs[t]) || logprobs[t] > kMaxLogProb) {
      return absl::InvalidArgumentError(absl::StrCat(
          name, "[", t, "] must be finite and at most 0, got ", logprobs[t]));
    }
  }
  return absl::OkStatus();
}

absl::Status CheckInput(const LossOptions& options,
                        const SequenceLossInput& input, size_t outputs) {
  const size_t length = input.logprobs.size();
  AHA_RETURN_IF_ERROR(CheckLogprobs("logprobs", input.logprobs, length));
  AHA_RETURN_IF_ERROR(
      CheckLogprobs("old_logprobs", input.old_logprobs, length));
  if (options.beta != 0) {
    AHA_RETURN_IF_ERROR(
        CheckLogprobs("ref_logprobs", input.ref_logprobs, length));
  }
  if (outputs != length) {
    return absl::InvalidArgumentError(
        absl::StrCat("dloss_dlogprob must have the completion's length ",
                     length, ", got ", outputs));
  }
  if (!std::isfinite(input.advantage)) {
    return absl::InvalidArgumentError(
        absl::StrCat("advantage must be finite, got ", input.advantage));
  }
  return absl::OkStatus();
}

// Mean log-ratio of the completion, for kSequence.
double MeanLogRatio(const SequenceLossInput& input) {
  double sum = 0;
  for (size_t t = 0; t < input.logprobs.size(); ++t) {
    sum += double{input.logprobs[t]} - double{input.old_logprobs[t]};
  }
  return sum / static_cast<double>(input.logprobs.size());
}

void AddLoss(const LossOptions& options, const SequenceLossInput& input,
             absl::Span<float> dloss_dlogprob, LossSums* sums) {
  const size_t length = input.logprobs.size();
  const double weight = SequenceWeight(options, static_cast<int64_t>(length));
  const double advantage = input.advantage;
  const bool by_sequence = options.importance == ImportanceLevel::kSequence;
  const bool weighted =
      RowOf(options.loss_type).token_loss == TokenLoss::kWeightedLogprob;
  double log_ratio = 0;
  if (by_sequence) {
    log_ratio = ClampedLogRatio(MeanLogRatio(input));
    CountRatio(options, log_ratio, advantage, sums);
  }
  double policy_sum = 0, kl_sum = 0;
  for (size_t t = 0; t < length; ++t) {
    const double logprob = input.logprobs[t];
    const double difference = logprob - double{input.old_logprobs[t]};
    sums->abs_log_ratio_sum += std::abs(difference);
    sums->abs_log_ratio_max =
        std::max(sums->abs_log_ratio_max, std::abs(difference));
    if (!by_sequence) {
      log_ratio = ClampedLogRatio(difference);
      CountRatio(options, log_ratio, advantage, sums);
    }
    // With kSequence each of the |o| tokens carries the same loss, and its
    // log-ratio is the mean: the two factors |o| cancel in the derivative.
    const ValueAndGrad policy =
        weighted ? WeightedLoss(options, log_ratio, advantage, logprob)
                 : ClippedLoss(options, log_ratio, advantage);
    double grad = policy.grad;
    policy_sum += policy.value;
    if (options.beta != 0) {
      const ValueAndGrad kl = KlTerm(logprob, input.ref_logprobs[t]);
      kl_sum += kl.value;
      grad += options.beta * kl.grad;
    }
    dloss_dlogprob[t] = static_cast<float>(weight * grad);
  }
  sums->policy_loss += weight * policy_sum;
  sums->kl_loss += weight * options.beta * kl_sum;
  sums->loss += weight * (policy_sum + options.beta * kl_sum);
  sums->kl += kl_sum;
}

absl::Status AtLeast(absl::string_view name, double value, double minimum) {
  if (std::isfinite(value) && value >= minimum) return absl::OkStatus();
  return absl::InvalidArgumentError(
      absl::StrCat(name, " must be at least ", minimum, ", got ", value));
}

// A weighted loss has one weight a token, which the safety bounds of the
// clipped one do not know.
absl::Status CheckWeighted(const LossOptions& options) {
  if (options.importance == ImportanceLevel::kSequence) {
    return absl::InvalidArgumentError(
        "importance_sampling_level must be token for loss_type cispo, got "
        "sequence");
  }
  if (options.delta) {
    return absl::InvalidArgumentError(absl::StrCat(
        "delta must be absent for loss_type cispo, got ", *options.delta));
  }
  if (options.dual_clip) {
    return absl::InvalidArgumentError(
        absl::StrCat("dual_clip must be absent for loss_type cispo, got ",
                     *options.dual_clip));
  }
  return absl::OkStatus();
}

}  // namespace

absl::StatusOr<LossType> ParseLossType(absl::string_view text) {
  AHA_ASSIGN_OR_RETURN(const LossRow* const row,
                       FindByName("loss_type", kLosses, text));
  return row->type;
}

absl::string_view LossTypeName(LossType type) { return RowOf(type).name; }

absl::StatusOr<ImportanceLevel> ParseImportanceLevel(absl::string_view text) {
  return ValueOfName("importance_sampling_level", kLevels, text);
}

absl::string_view ImportanceLevelName(ImportanceLevel level) {
  return NameOfValue(kLevels, level);
}

absl::Status LossOptions::Validate() const {
  AHA_RETURN_IF_ERROR(AtLeast("epsilon", epsilon, 0));
  AHA_RETURN_IF_ERROR(AtLeast("epsilon_high", EpsilonHigh(), 0));
  AHA_RETURN_IF_ERROR(AtLeast("beta", beta, 0));
  AHA_RETURN_IF_ERROR(AtLeast("delta", delta.value_or(1), 1));
  AHA_RETURN_IF_ERROR(AtLeast("dual_clip", dual_clip.value_or(1), 1));
  if (loss_type == LossType::kDrGrpo && max_completion_length < 1) {
    return absl::InvalidArgumentError(
        absl::StrCat("max_completion_length must be at least 1 for dr_grpo, "
                     "got ",
                     max_completion_length));
  }
  if (RowOf(loss_type).token_loss == TokenLoss::kWeightedLogprob) {
    return CheckWeighted(*this);
  }
  return absl::OkStatus();
}

LossSums& LossSums::operator+=(const LossSums& other) {
  completions += other.completions;
  tokens += other.tokens;
  unmasked_completions += other.unmasked_completions;
  unmasked_tokens += other.unmasked_tokens;
  loss += other.loss;
  policy_loss += other.policy_loss;
  kl_loss += other.kl_loss;
  kl += other.kl;
  clipped_low += other.clipped_low;
  clipped_high += other.clipped_high;
  ratios += other.ratios;
  ratio_sum += other.ratio_sum;
  ratio_min = std::min(ratio_min, other.ratio_min);
  ratio_max = std::max(ratio_max, other.ratio_max);
  abs_log_ratio_sum += other.abs_log_ratio_sum;
  abs_log_ratio_max = std::max(abs_log_ratio_max, other.abs_log_ratio_max);
  return *this;
}

double SequenceWeight(const LossOptions& options, int64_t length) {
  if (RowOf(options.loss_type).weighting == Weighting::kTokenSum) return 1;
  return length > 0 ? 1.0 / static_cast<double>(length) : 0;
}

double StepDenominator(const LossOptions& options, const LossSums& counts) {
  switch (RowOf(options.loss_type).denominator) {
    case Denominator::kCompletions:
      return static_cast<double>(counts.completions);
    case Denominator::kTokens:
      return static_cast<double>(counts.tokens);
    case Denominator::kUnmaskedTokens:
      return static_cast<double>(counts.unmasked_tokens);
    case Denominator::kCompletionsTimesLongest:
      return static_cast<double>(counts.completions) *
             static_cast<double>(options.max_completion_length);
  }
  return 0;
}

absl::Status SequenceLoss(const LossOptions& options,
                          const SequenceLossInput& input,
                          absl::Span<float> dloss_dlogprob, LossSums* sums) {
  AHA_RETURN_IF_ERROR(CheckInput(options, input, dloss_dlogprob.size()));
  const int64_t length = static_cast<int64_t>(input.logprobs.size());
  ++sums->completions;
  sums->tokens += length;
  const bool masked = options.mask_truncated && input.truncated;
  if (masked || length == 0) {
    std::fill(dloss_dlogprob.begin(), dloss_dlogprob.end(), 0.0f);
    return absl::OkStatus();
  }
  ++sums->unmasked_completions;
  sums->unmasked_tokens += length;
  AddLoss(options, input, dloss_dlogprob, sums);
  return absl::OkStatus();
}

LossMetrics MetricsOf(const LossOptions& options, const LossSums& sums) {
  LossMetrics metrics;
  const double denominator = StepDenominator(options, sums);
  if (denominator > 0) {
    metrics.policy_loss = sums.policy_loss / denominator;
    metrics.loss = sums.loss / denominator;
  }
  if (sums.unmasked_tokens > 0) {
    const double tokens = static_cast<double>(sums.unmasked_tokens);
    metrics.kl = sums.kl / tokens;
    metrics.logp_difference_mean = sums.abs_log_ratio_sum / tokens;
  }
  metrics.logp_difference_max = sums.abs_log_ratio_max;
  if (sums.ratios > 0) {
    const double ratios = static_cast<double>(sums.ratios);
    metrics.clip_low_mean = static_cast<double>(sums.clipped_low) / ratios;
    metrics.clip_high_mean = static_cast<double>(sums.clipped_high) / ratios;
    metrics.clip_region_mean =
        static_cast<double>(sums.clipped_low + sums.clipped_high) / ratios;
    metrics.ratio_mean = sums.ratio_sum / ratios;
    metrics.ratio_min = sums.ratio_min;
    metrics.ratio_max = sums.ratio_max;
  }
  return metrics;
}

}  // namespace aha
