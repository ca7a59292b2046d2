// The policy loss of one completion and its derivative by the completion's
// log-probabilities (docs/algorithms.md section 3).
//
// A rank computes with its own completions only; what needs the whole step (the
// denominator) is applied once at the end.  Each completion adds to the step's
// sums
//
//   SequenceWeight * sum over t of loss_t
//
// and has the derivative SequenceWeight * d loss_t / d logp_t at token t. After
// the all-reduce the learner divides once by StepDenominator of the step's
// global counts.  The table in losses.cc gives both for each loss type:
//
//   loss_type  SequenceWeight  StepDenominator                      token loss
//   grpo       1 / |o_i|       completions                          clipped
//   dapo       1               tokens of all completions            clipped
//   bnpo       1               tokens of unmasked completions       clipped
//   dr_grpo    1               completions * max_completion_length  clipped
//   cispo      1               tokens of all completions            weighted
//
//   clipped   -min(r A, clip(r) A), r the ratio of the policies
//   weighted  -clip(r) A logp, with clip(r) held constant
//
// Masked completions contribute 0 but stay in the counts (except bnpo's), so
// that masking does not inflate the others.  Everything is computed in double
// and rounded once; where logp == old_logp the ratio is exactly 1.
//
// All functions are pure.
#pragma once

#include <cstdint>
#include <limits>
#include <optional>
#include <type_traits>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "absl/types/span.h"

namespace aha {

// The largest log-probability that is accepted: rounding may lift the logarithm
// of a certain token a hair above 0.
inline constexpr float kMaxLogProb = 1e-3f;

enum class LossType { kGrpo, kDapo, kBnpo, kDrGrpo, kCispo };
absl::StatusOr<LossType> ParseLossType(absl::string_view text);
absl::string_view LossTypeName(LossType type);

// kToken: a ratio for each token.  kSequence: GSPO's geometric mean of them.
enum class ImportanceLevel { kToken, kSequence };
absl::StatusOr<ImportanceLevel> ParseImportanceLevel(absl::string_view text);
absl::string_view ImportanceLevelName(ImportanceLevel level);

struct LossOptions {
  LossType loss_type = LossType::kGrpo;
  ImportanceLevel importance = ImportanceLevel::kToken;
  // The ratio is clipped to [1 - epsilon, 1 + epsilon_high]; epsilon_high is
  // epsilon if absent.
  double epsilon = 0.2;
  std::optional<double> epsilon_high = std::nullopt;
  // min(ratio, delta) stands in the unclipped term.
  std::optional<double> delta = std::nullopt;
  // For A < 0 the loss is at most -dual_clip * A.
  std::optional<double> dual_clip = std::nullopt;
  double beta = 0;  // Coefficient of the k3 KL.
  bool mask_truncated = false;
  int64_t max_completion_length =
      0;  // The job's limit, in tokens; used by kDrGrpo only.

  double EpsilonHigh() const { return epsilon_high.value_or(epsilon); }
  // INVALID_ARGUMENT with the field, the rule and the value.  cispo has one
  // weight a token, so it refuses kSequence, delta and dual_clip.
  absl::Status Validate() const;
};

// One completion.  Spans have its length; the end token is part of it.
struct SequenceLossInput {
  absl::Span<const float> logprobs;      // Under the policy being trained.
  absl::Span<const float> old_logprobs;  // Under the policy that sampled.
  absl::Span<const float> ref_logprobs;  // Reference; empty if beta is 0.
  float advantage = 0;
  bool truncated = false;  // Finish reason length.
};

// Additive statistics; trivially copyable, so ranks may exchange them as bytes.
// Adding them group by group in slot order gives the same bits on any number
// of ranks.
struct LossSums {
  int64_t completions = 0;
  int64_t tokens = 0;
  int64_t unmasked_completions = 0;
  int64_t unmasked_tokens = 0;
  double loss = 0;  // Weighted by SequenceWeight, as are its two parts:
  double policy_loss = 0;
  double kl_loss = 0;  // beta included.
  // Sums over unmasked tokens (over completions if importance is kSequence,
  // for the clip counts and the ratio).
  double kl = 0;
  int64_t clipped_low = 0;   // ratio < 1 - epsilon and A < 0.
  int64_t clipped_high = 0;  // ratio > 1 + epsilon_high and A > 0.
  int64_t ratios = 0;        // What the clip counts are out of.
  double ratio_sum = 0;
  double ratio_min = std::numeric_limits<double>::infinity();
  double ratio_max = 0;
  double abs_log_ratio_sum = 0;  // |logp - old_logp| over tokens.
  double abs_log_ratio_max = 0;

  LossSums& operator+=(const LossSums& other);
};

static_assert(std::is_trivially_copyable_v<LossSums>);

double SequenceWeight(const LossOptions& options, int64_t length);

// 0 if nothing was counted: then there is nothing to divide.
// REQUIRES: options.Validate().
double StepDenominator(const LossOptions& options, const LossSums& counts);

// Overwrites dloss_dlogprob (same length) and adds to *sums.
// INVALID_ARGUMENT if lengths differ or a log-probability is not finite or
// above 0; then neither is touched.
absl::Status SequenceLoss(const LossOptions& options,
                          const SequenceLossInput& input,
                          absl::Span<float> dloss_dlogprob, LossSums* sums);

// TRL's names: what the step's sums say.
struct LossMetrics {
  double policy_loss = 0;       // policy_loss
  double loss = 0;              // loss
  double kl = 0;                // kl: mean over tokens
  double clip_region_mean = 0;  // clip_ratio/region_mean
  double clip_low_mean = 0;     // clip_ratio/low_mean
  double clip_high_mean = 0;    // clip_ratio/high_mean
  double ratio_min = 1;         // sampling/importance_sampling_ratio/{min,..}
  double ratio_mean = 1;
  double ratio_max = 1;
  double logp_difference_mean = 0;  // sampling/sampling_logp_difference/mean
  double logp_difference_max = 0;   // sampling/sampling_logp_difference/max
};
LossMetrics MetricsOf(const LossOptions& options, const LossSums& sums);

}  // namespace aha
