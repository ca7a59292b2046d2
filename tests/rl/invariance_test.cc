// Compares gradients with finite differences, and checks what must not change a
// step.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cmath>
#include <cstring>
#include <string>
#include <vector>

#include "base/rng.h"
#include "rl/losses.h"

namespace aha {
namespace {

struct Sequence {
  std::vector<float> logprobs, old, ref;
  float advantage = 0;
  bool truncated = false;
};

// The values are far enough from the kinks of the clip that a difference
// quotient is a slope.
Sequence RandomSequence(int length, uint64_t index) {
  const RandomKey key(5, RandomPurpose::kTest, index);
  Sequence sequence;
  for (int t = 0; t < length; ++t) {
    const uint64_t at = 4 * static_cast<uint64_t>(t);
    const float logprob = -.2f - 3 * key.Uniform(at);
    sequence.logprobs.push_back(logprob);
    sequence.old.push_back(
        std::min(-.01f, logprob + .8f * (key.Uniform(at + 1) - .5f)));
    sequence.ref.push_back(
        std::min(-.01f, logprob + key.Uniform(at + 2) - .5f));
  }
  sequence.advantage = 3 * (key.Uniform(1'000'000) - .5f);
  sequence.truncated = index % 3 == 0;
  return sequence;
}

struct Outcome {
  std::vector<float> grad;
  LossSums sums;
};

Outcome Evaluate(const LossOptions& options, const Sequence& s) {
  Outcome outcome;
  outcome.grad.resize(s.logprobs.size());
  EXPECT_TRUE(SequenceLoss(options,
                           {s.logprobs, s.old, s.ref, s.advantage, s.truncated},
                           absl::MakeSpan(outcome.grad), &outcome.sums)
                  .ok());
  return outcome;
}

std::vector<LossOptions> AllOptions() {
  std::vector<LossOptions> all;
  for (const LossType type :
       {LossType::kGrpo, LossType::kDapo, LossType::kBnpo, LossType::kDrGrpo}) {
    for (const ImportanceLevel level :
         {ImportanceLevel::kToken, ImportanceLevel::kSequence}) {
      for (const double beta : {0., .3}) {
        LossOptions options;
        options.loss_type = type;
        options.importance = level;
        options.beta = beta;
        options.epsilon = .1;
        options.epsilon_high = .15;
        options.max_completion_length = 16;
        all.push_back(options);
        options.delta = 1.25;
        all.push_back(options);
        options.delta.reset();
        options.dual_clip = 1.3;
        options.mask_truncated = true;
        all.push_back(options);
      }
    }
  }
  return all;
}

TEST(GradientTest, AgreesWithFiniteDifferencesForEveryVariant) {
  int active = 0, clipped = 0;
  for (const LossOptions& options : AllOptions()) {
    for (uint64_t index = 0; index < 4; ++index) {
      const Sequence sequence =
          RandomSequence(1 + 3 * static_cast<int>(index), index);
      const Outcome outcome = Evaluate(options, sequence);
      for (size_t t = 0; t < sequence.logprobs.size(); ++t) {
        Sequence up = sequence, down = sequence;
        up.logprobs[t] += 2e-3f;
        down.logprobs[t] -= 2e-3f;
        const double step = double{up.logprobs[t]} - double{down.logprobs[t]};
        const double slope = (Evaluate(options, up).sums.loss -
                              Evaluate(options, down).sums.loss) /
                             step;
        EXPECT_NEAR(outcome.grad[t], slope, 2e-3)
            << LossTypeName(options.loss_type) << " sequence " << index
            << " token " << t;
        (outcome.grad[t] != 0 ? active : clipped) += 1;
      }
    }
  }
  // Both branches occurred.
  EXPECT_GT(active, 500);
  EXPECT_GT(clipped, 100);
}

TEST(GradientTest, CispoDifferentiatesTheLogarithmOnly) {
  LossOptions options;
  options.loss_type = LossType::kCispo;
  options.beta = .2;
  const Sequence sequence = RandomSequence(7, 1);
  LossOptions no_policy = options;
  const Outcome outcome = Evaluate(options, sequence);
  Sequence only_kl = sequence;
  only_kl.advantage = 0;
  const Outcome kl = Evaluate(no_policy, only_kl);
  for (size_t t = 0; t < 7; ++t) {
    const double ratio =
        std::exp(double{sequence.logprobs[t]} - double{sequence.old[t]});
    const double weight = std::min(std::max(ratio, .8), 1.2);
    EXPECT_NEAR(outcome.grad[t] - kl.grad[t], -weight * sequence.advantage,
                1e-5);
  }
}

// Returns the step's loss and gradient when its sequences are distributed over
// `ranks`.
std::pair<double, std::vector<double>> Step(const LossOptions& options,
                                            int ranks) {
  constexpr int kSequences = 6;
  std::vector<LossSums> rank_sums(static_cast<size_t>(ranks));
  std::vector<double> grads;
  for (int i = 0; i < kSequences; ++i) {
    const Outcome outcome =
        Evaluate(options, RandomSequence(2 + 2 * i, static_cast<uint64_t>(i)));
    rank_sums[static_cast<size_t>(i % ranks)] += outcome.sums;
    grads.insert(grads.end(), outcome.grad.begin(), outcome.grad.end());
  }
  LossSums total;
  for (const LossSums& sums : rank_sums) total += sums;
  const double denominator = StepDenominator(options, total);
  for (double& grad : grads) grad /= denominator;
  return {total.loss / denominator, grads};
}

TEST(InvarianceTest, TheNumberOfRanksChangesNothing) {
  for (const LossOptions& options : AllOptions()) {
    const auto [loss, grads] = Step(options, 1);
    for (const int ranks : {2, 3, 6}) {
      const auto [other_loss, other_grads] = Step(options, ranks);
      EXPECT_NEAR(other_loss, loss, 1e-12);
      EXPECT_EQ(other_grads, grads);
    }
  }
}

TEST(InvarianceTest, NormalisingEachRankByItselfWouldChangeTheGradient) {
  LossOptions options;
  options.loss_type = LossType::kDapo;
  const Outcome a = Evaluate(options, RandomSequence(2, 1));
  const Outcome b = Evaluate(options, RandomSequence(9, 2));
  LossSums both = a.sums;
  both += b.sums;
  EXPECT_NE(StepDenominator(options, both),
            2 * StepDenominator(options, a.sums));
}

TEST(InvarianceTest, ASequenceDoesNotDependOnItsNeighbours) {
  for (const LossOptions& options : AllOptions()) {
    const Sequence sequence = RandomSequence(5, 7);
    const Outcome alone = Evaluate(options, sequence);
    Outcome later = Evaluate(options, RandomSequence(3, 2));
    std::vector<float> grad(5);
    ASSERT_TRUE(SequenceLoss(options,
                             {sequence.logprobs, sequence.old, sequence.ref,
                              sequence.advantage, sequence.truncated},
                             absl::MakeSpan(grad), &later.sums)
                    .ok());
    EXPECT_EQ(0, std::memcmp(grad.data(), alone.grad.data(),
                             grad.size() * sizeof(float)));
  }
}

}  // namespace
}  // namespace aha
