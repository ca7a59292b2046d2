// The table of algorithms, and that each one's gradient is its loss's slope.
#include "rl/algorithm.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cmath>
#include <set>
#include <string>
#include <vector>

#include "base/rng.h"

namespace aha {
namespace {

using ::testing::HasSubstr;

const Algorithm& Named(absl::string_view name) {
  const auto found = FindAlgorithm(name);
  EXPECT_TRUE(found.ok()) << found.status();
  return **found;
}

TEST(AlgorithmTest, EveryLineIsWholeAndValid) {
  std::set<absl::string_view> names;
  for (const Algorithm& algorithm : Algorithms()) {
    EXPECT_TRUE(names.insert(algorithm.name).second) << algorithm.name;
    EXPECT_THAT(std::string(algorithm.source), HasSubstr("arXiv "));
    EXPECT_FALSE(algorithm.help.empty());
    EXPECT_TRUE(algorithm.advantage.Validate().ok()) << algorithm.name;
    LossOptions loss = algorithm.loss;
    loss.max_completion_length = 8;
    EXPECT_TRUE(loss.Validate().ok()) << algorithm.name;
  }
}

TEST(AlgorithmTest, AnUnknownNameIsAnsweredWithTheKnownOnes) {
  EXPECT_THAT(FindAlgorithm("ppo").status().ToString(),
              HasSubstr("algorithm must be grpo, dapo, dr_grpo, rloo, gspo or "
                        "cispo, got 'ppo'"));
}

TEST(AlgorithmTest, GrpoIsTheDefaultsOfItsParts) {
  const Algorithm& grpo = Named("grpo");
  EXPECT_EQ(grpo.advantage.estimator, AdvantageOptions().estimator);
  EXPECT_EQ(grpo.advantage.scale, AdvantageOptions().scale);
  EXPECT_EQ(grpo.loss.loss_type, LossType::kGrpo);
  EXPECT_EQ(grpo.loss.importance, ImportanceLevel::kToken);
  EXPECT_EQ(grpo.loss.epsilon, .2);
  EXPECT_FALSE(grpo.loss.epsilon_high.has_value());
  EXPECT_FALSE(grpo.loss.delta.has_value());
  EXPECT_EQ(grpo.loss.beta, 0);
  EXPECT_FALSE(grpo.loss.mask_truncated);
}

TEST(AlgorithmTest, OnlyAPenaltyNeedsTheReferencePolicy) {
  LossOptions loss = Named("grpo").loss;
  EXPECT_TRUE(NeedsOf(loss).old_logprobs);
  EXPECT_FALSE(NeedsOf(loss).ref_logprobs);
  loss.beta = .04;
  EXPECT_TRUE(NeedsOf(loss).ref_logprobs);
}

struct Completion {
  std::vector<float> logprobs, old;
  float advantage = 0;
};

Completion RandomCompletion(uint64_t index) {
  const RandomKey key(9, RandomPurpose::kTest, index);
  Completion completion;
  for (uint64_t t = 0; t < 3 + index; ++t) {
    const float logprob = -.2f - 3 * key.Uniform(4 * t);
    completion.logprobs.push_back(logprob);
    completion.old.push_back(
        std::min(-.01f, logprob + .8f * (key.Uniform(4 * t + 1) - .5f)));
  }
  completion.advantage = 3 * (key.Uniform(1'000'000) - .5f);
  return completion;
}

double LossAt(const LossOptions& options, const Completion& c,
              std::vector<float>* grad) {
  LossSums sums;
  grad->resize(c.logprobs.size());
  EXPECT_TRUE(SequenceLoss(options, {c.logprobs, c.old, {}, c.advantage},
                           absl::MakeSpan(*grad), &sums)
                  .ok());
  return sums.loss;
}

class AlgorithmGradientTest : public ::testing::TestWithParam<std::string> {};

TEST_P(AlgorithmGradientTest, IsTheSlopeOfItsLoss) {
  LossOptions options = Named(GetParam()).loss;
  options.max_completion_length = 16;
  // The weighted loss is linear in the log-probabilities once its weights are
  // held constant; moving old along with new holds the ratio.
  const bool held = options.loss_type == LossType::kCispo;
  for (uint64_t index = 0; index < 6; ++index) {
    const Completion completion = RandomCompletion(index);
    std::vector<float> grad, unused;
    LossAt(options, completion, &grad);
    for (size_t t = 0; t < grad.size(); ++t) {
      Completion up = completion, down = completion;
      constexpr float kStep = 0x1p-10f;
      up.logprobs[t] += kStep;
      down.logprobs[t] -= kStep;
      if (held) {
        up.old[t] += kStep;
        down.old[t] -= kStep;
      }
      const double slope =
          (LossAt(options, up, &unused) - LossAt(options, down, &unused)) /
          (double{up.logprobs[t]} - double{down.logprobs[t]});
      EXPECT_NEAR(grad[t], slope, 2e-3)
          << "completion " << index << " token " << t;
    }
  }
}

TEST_P(AlgorithmGradientTest, AtRatioOneIsTheAdvantageOfEveryToken) {
  LossOptions options = Named(GetParam()).loss;
  options.max_completion_length = 16;
  Completion completion = RandomCompletion(2);
  completion.old = completion.logprobs;
  std::vector<float> grad;
  LossAt(options, completion, &grad);
  const double weight =
      SequenceWeight(options, static_cast<int64_t>(grad.size()));
  for (const float one : grad) {
    EXPECT_FLOAT_EQ(one,
                    static_cast<float>(-weight * double{completion.advantage}));
  }
}

INSTANTIATE_TEST_SUITE_P(All, AlgorithmGradientTest,
                         ::testing::Values("grpo", "dapo", "dr_grpo", "rloo",
                                           "gspo", "cispo"),
                         [](const auto& test) { return test.param; });

}  // namespace
}  // namespace aha
