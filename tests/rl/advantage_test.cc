#include "rl/advantage.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cmath>
#include <cstring>
#include <limits>
#include <vector>

namespace aha {
namespace {

using ::testing::Each;
using ::testing::ElementsAre;
using ::testing::FloatNear;
using ::testing::HasSubstr;

std::vector<float> Advantages(const std::vector<double>& rewards,
                              AdvantageOptions options = {},
                              double batch_deviation = 0) {
  std::vector<float> advantages(rewards.size(), 99);
  EXPECT_TRUE(GroupAdvantages(options, rewards, batch_deviation,
                              absl::MakeSpan(advantages))
                  .ok());
  return advantages;
}

auto Near(double value) {
  return FloatNear(static_cast<float>(value), 1.5e-6f);
}

TEST(AdvantageTest, AgreesWithTheGoldenVectors) {
  const std::vector<double> two_of_four = {1, 0, 0, 1};
  EXPECT_THAT(Advantages(two_of_four),
              ElementsAre(Near(.866024), Near(-.866024), Near(-.866024),
                          Near(.866024)));
  EXPECT_THAT(Advantages(two_of_four, {.ddof = 0})[0], Near(.999998));
  EXPECT_THAT(Advantages(two_of_four, {.eps = 1e-4})[0], Near(.865875));
  EXPECT_THAT(Advantages(two_of_four, {.scale = ScaleRewards::kNone}),
              ElementsAre(.5f, -.5f, -.5f, .5f));
  const std::vector<double> one_of_eight = {1, 0, 0, 0, 0, 0, 0, 0};
  EXPECT_THAT(Advantages(one_of_eight)[0], Near(2.474867));
  EXPECT_THAT(Advantages(one_of_eight)[7], Near(-.353552));
  EXPECT_THAT(Advantages(one_of_eight, {.ddof = 0})[0], Near(2.645743));
  EXPECT_THAT(Advantages(one_of_eight, {.ddof = 0})[1], Near(-.377963));
}

TEST(LeaveOneOutTest, AgreesWithTheGoldenVectors) {
  const AdvantageOptions rloo = {.estimator = AdvantageEstimator::kLeaveOneOut,
                                 .scale = ScaleRewards::kNone};
  EXPECT_THAT(Advantages({1, 0, 0, 1}, rloo),
              ElementsAre(Near(.666667), Near(-.666667), Near(-.666667),
                          Near(.666667)));
  EXPECT_THAT(Advantages({1, 0, 0, 0, 0, 0, 0, 0}, rloo)[0], Near(1));
  EXPECT_THAT(Advantages({1, 0, 0, 0, 0, 0, 0, 0}, rloo)[1], Near(-1. / 7));
}

TEST(LeaveOneOutTest, TheBaselineIsTheMeanOfTheOthers) {
  const AdvantageOptions rloo = {.estimator = AdvantageEstimator::kLeaveOneOut,
                                 .scale = ScaleRewards::kNone};
  const std::vector<double> rewards = {.1, .7, 1.1, .3, -2};
  const std::vector<float> advantages = Advantages(rewards, rloo);
  for (size_t i = 0; i < rewards.size(); ++i) {
    double others = 0;
    for (size_t j = 0; j < rewards.size(); ++j) {
      if (j != i) others += rewards[j];
    }
    EXPECT_NEAR(advantages[i], rewards[i] - others / 4, 1e-6);
  }
}

TEST(LeaveOneOutTest, IsTheCentredRewardTimesAConstantOfTheGroupSize) {
  const AdvantageOptions rloo = {.estimator = AdvantageEstimator::kLeaveOneOut,
                                 .scale = ScaleRewards::kNone};
  const std::vector<double> rewards = {1, 0, .5, .25};
  const std::vector<float> centred =
      Advantages(rewards, {.scale = ScaleRewards::kNone});
  const std::vector<float> left_out = Advantages(rewards, rloo);
  for (size_t i = 0; i < rewards.size(); ++i) {
    EXPECT_NEAR(left_out[i], 4. / 3 * centred[i], 1e-6);
  }
}

TEST(LeaveOneOutTest, NeitherOrderNorAConstantLeavesATrace) {
  const AdvantageOptions rloo = {.estimator = AdvantageEstimator::kLeaveOneOut,
                                 .scale = ScaleRewards::kNone};
  const std::vector<float> plain = Advantages({1, 0, .5, .25}, rloo);
  EXPECT_EQ(Advantages({5, 4, 4.5, 4.25}, rloo), plain);
  const std::vector<double> rewards = {.1, .7, 1.1, .3, 0, 1.1, .1};
  const std::vector<float> forward = Advantages(rewards, rloo);
  const std::vector<float> backward =
      Advantages({rewards.rbegin(), rewards.rend()}, rloo);
  EXPECT_EQ(forward, std::vector<float>(backward.rbegin(), backward.rend()));
  // Equal rewards have equal bits: no noise of a baseline of one's own.
  EXPECT_EQ(forward[2], forward[5]);
  EXPECT_EQ(forward[0], forward[6]);
}

TEST(LeaveOneOutTest, MayBeDividedByADeviationToo) {
  const AdvantageOptions scaled = {.estimator =
                                       AdvantageEstimator::kLeaveOneOut};
  EXPECT_THAT(Advantages({1, 0, 0, 1}, scaled)[0], Near(4. / 3 * .866024));
}

TEST(AdvantageTest, EqualRewardsGiveExactlyZeroUnderEveryScale) {
  for (const ScaleRewards scale :
       {ScaleRewards::kGroup, ScaleRewards::kBatch, ScaleRewards::kNone}) {
    // An eps of 0 would turn the rounding noise of .1 into advantages of order
    // one.
    const AdvantageOptions options{.scale = scale, .eps = 0};
    EXPECT_THAT(Advantages({.1, .1, .1}, options, .5), Each(0.0f));
    EXPECT_THAT(Advantages({.1, .1 + 9e-9, .1}, options, .5), Each(0.0f));
    AdvantageOptions left_out = options;
    left_out.estimator = AdvantageEstimator::kLeaveOneOut;
    EXPECT_THAT(Advantages({.1, .1, .1}, left_out, .5), Each(0.0f));
  }
  EXPECT_NE(Advantages({.1, .1 + 1e-7, .1}, {.eps = 0})[1], 0.0f);
}

TEST(AdvantageTest, BatchScaleUsesTheDeviationOfTheStep) {
  const std::vector<double> step = {1, 0, 1, 1};
  const double deviation = RewardDeviation(step);
  EXPECT_DOUBLE_EQ(deviation, .5);
  EXPECT_THAT(Advantages({1, 0}, {.scale = ScaleRewards::kBatch}, deviation)[0],
              Near(.5 / (.5 + 1e-6)));
}

TEST(AdvantageTest, TheOrderOfSamplesDoesNotChangeTheAdvantages) {
  const std::vector<double> rewards = {.1, .7, 1.1, .3, 0, 1.1, .1};
  const std::vector<float> forward = Advantages(rewards);
  const std::vector<float> backward =
      Advantages({rewards.rbegin(), rewards.rend()});
  for (size_t i = 0; i < rewards.size(); ++i) {
    const float mirrored = backward[rewards.size() - 1 - i];
    EXPECT_EQ(0, std::memcmp(&forward[i], &mirrored, sizeof(float)));
  }
}

TEST(AdvantageTest, AConstantAddedToAllRewardsChangesNothing) {
  const std::vector<float> plain = Advantages({1, 0, .5, .25});
  // The shifts are powers of two, so that the addition itself is exact.
  EXPECT_EQ(Advantages({5, 4, 4.5, 4.25}), plain);
}

TEST(AdvantageTest, AFactorChangesOnlyWhatEpsAllows) {
  const std::vector<float> plain = Advantages({1, 0, .5, .25});
  const std::vector<float> scaled = Advantages({8, 0, 4, 2});
  for (size_t i = 0; i < plain.size(); ++i) {
    EXPECT_NEAR(scaled[i], plain[i], 1e-5);
  }
  EXPECT_NE(Advantages({8, 0, 4, 2}, {.scale = ScaleRewards::kNone})[0],
            Advantages({1, 0, .5, .25}, {.scale = ScaleRewards::kNone})[0]);
}

TEST(AdvantageTest, RefusesWhatIsNotAGroup) {
  std::vector<float> out(1);
  EXPECT_THAT(GroupAdvantages({}, {1.0}, 0, absl::MakeSpan(out)).ToString(),
              HasSubstr("a group needs at least 2 rewards, got 1"));
  out.resize(2);
  EXPECT_THAT(GroupAdvantages({}, {1.0, std::nan("")}, 0, absl::MakeSpan(out))
                  .ToString(),
              HasSubstr("rewards[1] must be finite"));
  EXPECT_FALSE(
      GroupAdvantages({}, {1.0, 2.0, 3.0}, 0, absl::MakeSpan(out)).ok());
  EXPECT_FALSE(GroupAdvantages({.scale = ScaleRewards::kBatch}, {1.0, 2.0}, 0,
                               absl::MakeSpan(out))
                   .ok());
  EXPECT_FALSE(
      GroupAdvantages({.ddof = 2}, {1.0, 2.0}, 0, absl::MakeSpan(out)).ok());
  EXPECT_FALSE(ParseScaleRewards("groups").ok());
  EXPECT_THAT(ParseAdvantageEstimator("median").status().ToString(),
              HasSubstr("advantage_estimator must be group_mean or "
                        "leave_one_out, got 'median'"));
}

}  // namespace
}  // namespace aha
