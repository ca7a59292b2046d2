#include "rl/losses.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cmath>
#include <limits>
#include <vector>

namespace aha {
namespace {

using ::testing::Each;
using ::testing::HasSubstr;

struct Result {
  std::vector<float> grad;
  LossSums sums;
  double loss() const { return sums.loss; }
};

Result EvaluateInputs(const LossOptions& options,
                      const SequenceLossInput& inputs) {
  Result result;
  result.grad.assign(inputs.logprobs.size(), 99);
  const absl::Status status =
      SequenceLoss(options, inputs, absl::MakeSpan(result.grad), &result.sums);
  EXPECT_TRUE(status.ok()) << status;
  return result;
}

Result Evaluate(const LossOptions& options, const std::vector<float>& logprobs,
                const std::vector<float>& old, float advantage,
                const std::vector<float>& ref = {}) {
  return EvaluateInputs(options, {logprobs, old, ref, advantage, false});
}

// Returns the loss of one token whose policy ratio is `ratio`.
double TokenLoss(const LossOptions& options, double ratio, float advantage) {
  const float old = -3;
  const float logprob = static_cast<float>(old + std::log(ratio));
  return Evaluate(options, {logprob}, {old}, advantage).loss();
}

LossOptions Clip(double low, double high) {
  LossOptions options;
  options.epsilon = low;
  options.epsilon_high = high;
  return options;
}

TEST(LossesTest, ClippingAgreesWithTheGoldenTable) {
  LossOptions dual = Clip(.2, .2), two_sided = Clip(.2, .2);
  dual.dual_clip = 3;
  two_sided.delta = 4;
  const LossOptions columns[] = {Clip(.2, .2), Clip(.2, .28), dual, two_sided,
                                 Clip(10, 10)};
  struct Row {
    double ratio;
    float advantage;
    double loss[5];
  };
  const Row rows[] = {
      {.5, 1, {-.5, -.5, -.5, -.5, -.5}},
      {.5, -1, {.8, .8, .8, .8, .5}},
      {.9, 1, {-.9, -.9, -.9, -.9, -.9}},
      {.9, -1, {.9, .9, .9, .9, .9}},
      {1, 1, {-1, -1, -1, -1, -1}},
      {1, -1, {1, 1, 1, 1, 1}},
      {1.25, 1, {-1.2, -1.25, -1.2, -1.2, -1.25}},
      {1.25, -1, {1.25, 1.25, 1.25, 1.25, 1.25}},
      {1.5, 1, {-1.2, -1.28, -1.2, -1.2, -1.5}},
      {1.5, -1, {1.5, 1.5, 1.5, 1.5, 1.5}},
      {5, 1, {-1.2, -1.28, -1.2, -1.2, -5}},
      {5, -1, {5, 5, 3, 4, 5}},
  };
  for (const Row& row : rows) {
    for (int i = 0; i < 5; ++i) {
      EXPECT_NEAR(TokenLoss(columns[i], row.ratio, row.advantage), row.loss[i],
                  2e-6)
          << "ratio " << row.ratio << " A " << row.advantage << " column " << i;
    }
  }
}

TEST(LossesTest, KlAgreesWithTheGoldenVectors) {
  LossOptions options;
  options.beta = 1;
  const auto token = [&](double policy, double reference) {
    const float logprob = static_cast<float>(std::log(policy));
    return Evaluate(options, {logprob}, {logprob}, 0,
                    {static_cast<float>(std::log(reference))});
  };
  EXPECT_NEAR(token(.2, .5).sums.kl, .583709, 1e-6);
  EXPECT_NEAR(token(.2, .5).grad[0], -1.5, 1e-6);
  EXPECT_NEAR(token(.5, .2).sums.kl, .316291, 1e-6);
  EXPECT_NEAR(token(.5, .2).grad[0], .6, 1e-6);
  const double p[] = {.7, .2, .1}, q[] = {.4, .4, .2};
  double expectation = 0;
  for (int i = 0; i < 3; ++i) expectation += p[i] * token(p[i], q[i]).sums.kl;
  EXPECT_NEAR(expectation, .183786897, 1e-6);
}

TEST(LossesTest, GradientAtRatioOneAgreesWithTheGoldenVector) {
  LossOptions options;
  options.beta = .04;
  const float logprob = std::log(.3f);
  const Result result =
      Evaluate(options, {logprob}, {logprob}, .7f, {std::log(.4f)});
  EXPECT_NEAR(-result.grad[0], .713333, 1e-6);
}

TEST(LossesTest, FreshDataHasRatioExactlyOne) {
  const std::vector<float> logprobs = {-.1f, -2.3456789f, -17.3f, -1e-7f};
  for (const ImportanceLevel level :
       {ImportanceLevel::kToken, ImportanceLevel::kSequence}) {
    LossOptions options;
    options.loss_type = LossType::kDapo;
    options.importance = level;
    options.beta = .5;
    const Result result = Evaluate(options, logprobs, logprobs, .3f, logprobs);
    EXPECT_THAT(result.grad, Each(-.3f));
    EXPECT_EQ(result.sums.ratio_min, 1);
    EXPECT_EQ(result.sums.ratio_max, 1);
    EXPECT_EQ(result.sums.kl, 0);
    EXPECT_EQ(result.sums.abs_log_ratio_max, 0);
    EXPECT_EQ(result.sums.clipped_low + result.sums.clipped_high, 0);
  }
}

TEST(LossesTest, AggregationAgreesWithTheGoldenVectors) {
  // The token losses are 1, 1 and six times 3: advantages of -1 and -3 at ratio
  // 1.
  const auto step = [](LossType type) {
    LossOptions options;
    options.loss_type = type;
    options.max_completion_length = 8;
    LossSums sums = Evaluate(options, {-1, -1}, {-1, -1}, -1).sums;
    const std::vector<float> six(6, -1);
    sums += Evaluate(options, six, six, -3).sums;
    return sums.loss / StepDenominator(options, sums);
  };
  EXPECT_DOUBLE_EQ(step(LossType::kGrpo), 2);
  EXPECT_DOUBLE_EQ(step(LossType::kDapo), 2.5);
  EXPECT_DOUBLE_EQ(step(LossType::kBnpo), 2.5);
  EXPECT_DOUBLE_EQ(step(LossType::kDrGrpo), 1.25);
  // Its token losses are the others' times -logp, which is 1 here.
  EXPECT_DOUBLE_EQ(step(LossType::kCispo), -2.5);
}

TEST(LossesTest, GspoAgreesWithTheGoldenVector) {
  LossOptions options = Clip(3e-4, 4e-4);
  options.importance = ImportanceLevel::kSequence;
  const std::vector<float> old(4, -2);
  const std::vector<float> logprobs = {-1.9f, -2.2f, -1.6f, -2};
  const Result result = Evaluate(options, logprobs, old, 1);
  EXPECT_NEAR(result.sums.ratio_max, 1.077884151, 1e-6);
  EXPECT_NEAR(result.loss(), -1.0004, 1e-6);
  EXPECT_THAT(result.grad, Each(0.0f));
  EXPECT_EQ(result.sums.clipped_high, 1);
  EXPECT_EQ(result.sums.ratios, 1);
}

TEST(LossesTest, CispoWeighsEveryTokenByItsClippedRatio) {
  LossOptions options = Clip(.2, .28);
  options.loss_type = LossType::kCispo;
  const Result result = Evaluate(
      options, {-1, -1, -1}, {-1 - std::log(2.f), -1, -1 + std::log(2.f)}, .5f);
  EXPECT_NEAR(result.grad[0], -1.28 * .5, 1e-6);
  EXPECT_EQ(result.grad[1], -.5f);
  EXPECT_NEAR(result.grad[2], -.8 * .5, 1e-6);
  EXPECT_NEAR(result.loss(), (1.28 + 1 + .8) * .5, 1e-6);
}

TEST(LossesTest, CispoWithEpsilonOneHasNoLowerBound) {
  LossOptions options = Clip(1, 4);
  options.loss_type = LossType::kCispo;
  const Result result = Evaluate(
      options, {-9, -1, -1, -1},
      {-1, -1 - std::log(3.f), -1 - std::log(5.f), -1 - std::log(40.f)}, .5f);
  EXPECT_NEAR(result.grad[0], -std::exp(-8.) * .5, 1e-8);
  EXPECT_NEAR(result.grad[1], -3 * .5, 1e-5);
  EXPECT_NEAR(result.grad[2], -5 * .5, 1e-5);
  EXPECT_NEAR(result.grad[3], -5 * .5, 1e-5);
}

TEST(LossesTest, CispoRefusesTheBoundsOfTheClippedLoss) {
  LossOptions options = Clip(.2, .28);
  options.loss_type = LossType::kCispo;
  EXPECT_TRUE(options.Validate().ok());
  LossOptions wrong = options;
  wrong.delta = 4;
  EXPECT_THAT(wrong.Validate().ToString(),
              HasSubstr("delta must be absent for loss_type cispo, got 4"));
  wrong = options;
  wrong.dual_clip = 3;
  EXPECT_THAT(wrong.Validate().ToString(),
              HasSubstr("dual_clip must be absent"));
  wrong = options;
  wrong.importance = ImportanceLevel::kSequence;
  EXPECT_THAT(wrong.Validate().ToString(),
              HasSubstr("importance_sampling_level must be token"));
}

TEST(LossesTest, ClipCountsFollowTrl) {
  const float up = std::log(1.5f), down = std::log(.5f);
  const std::vector<float> old = {-3, -3, -3, -3};
  const std::vector<float> logprobs = {-3 + up, -3 + down, -3 + up, -3};
  const LossOptions options = Clip(.2, .2);
  LossSums sums = Evaluate(options, logprobs, old, 1).sums;
  EXPECT_EQ(sums.clipped_high, 2);
  EXPECT_EQ(sums.clipped_low, 0);
  sums += Evaluate(options, logprobs, old, -1).sums;
  EXPECT_EQ(sums.clipped_low, 1);
  const LossMetrics metrics = MetricsOf(options, sums);
  EXPECT_DOUBLE_EQ(metrics.clip_high_mean, 2. / 8);
  EXPECT_DOUBLE_EQ(metrics.clip_low_mean, 1. / 8);
  EXPECT_DOUBLE_EQ(metrics.clip_region_mean, 3. / 8);
  EXPECT_NEAR(metrics.ratio_min, .5, 1e-6);
  EXPECT_NEAR(metrics.ratio_max, 1.5, 1e-6);
  EXPECT_NEAR(metrics.logp_difference_max, std::log(2), 1e-6);
}

TEST(LossesTest, MaskedCompletionsStayInTheDenominators) {
  LossOptions options;
  options.mask_truncated = true;
  const std::vector<float> logprobs = {-1, -2};
  const SequenceLossInput truncated = {logprobs, logprobs, {}, 1, true};
  const Result result = EvaluateInputs(options, truncated);
  EXPECT_THAT(result.grad, Each(0.0f));
  EXPECT_EQ(result.loss(), 0);
  const auto denominator = [&](LossType type) {
    options.loss_type = type;
    options.max_completion_length = 8;
    return StepDenominator(options, result.sums);
  };
  EXPECT_EQ(denominator(LossType::kGrpo), 1);
  EXPECT_EQ(denominator(LossType::kDapo), 2);
  EXPECT_EQ(denominator(LossType::kDrGrpo), 8);
  EXPECT_EQ(denominator(LossType::kBnpo), 0);
  options.mask_truncated = false;
  EXPECT_NE(EvaluateInputs(options, truncated).loss(), 0);
}

TEST(LossesTest, KlActsAlsoWithZeroAdvantage) {
  LossOptions options;
  options.beta = .1;
  EXPECT_NE(Evaluate(options, {-1}, {-1}, 0, {-2}).grad[0], 0);
  options.beta = 0;
  const Result result = Evaluate(options, {-1}, {-1.5}, 0);
  EXPECT_EQ(result.grad[0], 0);
  EXPECT_FALSE(std::signbit(result.grad[0]));
}

TEST(LossesTest, HugeRatiosStayFinite) {
  LossOptions options;
  options.beta = .1;
  const Result result = Evaluate(options, {-1, -900}, {-900, -1}, -1, {-1, -1});
  for (const float grad : result.grad) EXPECT_TRUE(std::isfinite(grad));
  EXPECT_TRUE(std::isfinite(result.loss()));
}

TEST(LossesTest, RefusesWhatDoesNotFit) {
  const std::vector<float> two = {-1, -1}, one = {-1};
  const std::vector<float> bad = {-1, std::numeric_limits<float>::infinity()};
  std::vector<float> grad(2, 7);
  LossSums sums;
  const auto run = [&](const LossOptions& options,
                       const SequenceLossInput& input) {
    return std::string(
        SequenceLoss(options, input, absl::MakeSpan(grad), &sums).message());
  };
  EXPECT_THAT(run({}, {two, one, {}, 1}),
              HasSubstr("old_logprobs must have the completion's length 2"));
  EXPECT_THAT(run({}, {bad, two, {}, 1}), HasSubstr("logprobs[1] must be"));
  EXPECT_THAT(run({.beta = 1}, {two, two, {}, 1}), HasSubstr("ref_logprobs"));
  EXPECT_THAT(run({}, {one, one, {}, 1}), HasSubstr("dloss_dlogprob"));
  EXPECT_THAT(run({}, {two, two, {}, std::nanf("")}), HasSubstr("advantage"));
  EXPECT_THAT(grad, Each(7.0f));
  EXPECT_EQ(sums.completions, 0);
}

TEST(LossesTest, OptionsNameTheFieldThatIsWrong) {
  EXPECT_TRUE(LossOptions{}.Validate().ok());
  EXPECT_THAT(LossOptions{.epsilon = -1}.Validate().ToString(),
              HasSubstr("epsilon must be at least 0, got -1"));
  EXPECT_THAT(LossOptions{.delta = .5}.Validate().ToString(),
              HasSubstr("delta must be at least 1, got 0.5"));
  EXPECT_THAT(LossOptions{.loss_type = LossType::kDrGrpo}.Validate().ToString(),
              HasSubstr("max_completion_length"));
  EXPECT_THAT(ParseLossType("gpro").status().ToString(), HasSubstr("'gpro'"));
  for (const char* name : {"grpo", "dapo", "bnpo", "dr_grpo", "cispo"}) {
    EXPECT_EQ(LossTypeName(*ParseLossType(name)), name);
  }
}

}  // namespace
}  // namespace aha
