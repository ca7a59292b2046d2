#include "rl/schedule.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cmath>
#include <set>
#include <vector>

namespace aha {
namespace {

using ::testing::HasSubstr;

TEST(ScheduleTest, SamplingVersionIsAFixedDistanceBehind) {
  EXPECT_EQ(SamplingVersion(0, 0), 0u);
  EXPECT_EQ(SamplingVersion(7, 0), 7u);
  EXPECT_EQ(SamplingVersion(0, 1), 0u);
  EXPECT_EQ(SamplingVersion(1, 1), 0u);
  EXPECT_EQ(SamplingVersion(7, 1), 6u);
}

TEST(ScheduleTest, SlotsAreDealtToRanksInTurn) {
  EXPECT_EQ(OwnerRank(5, 1), 0u);
  EXPECT_EQ(OwnerRank(5, 2), 1u);
  EXPECT_EQ(OwnerRank(6, 4), 2u);
}

TEST(PermuteTest, IsAPermutationForEverySmallSize) {
  for (uint64_t n = 1; n <= 130; ++n) {
    const RandomKey key(n, RandomPurpose::kTest);
    std::set<uint64_t> images;
    for (uint64_t i = 0; i < n; ++i) images.insert(Permute(key, i, n));
    EXPECT_EQ(images.size(), n);
    EXPECT_EQ(*images.rbegin(), n - 1);
  }
}

TEST(PermuteTest, StaysInsideHugeRanges) {
  const RandomKey key(3, RandomPurpose::kTest);
  for (const uint64_t n : {(uint64_t{1} << 31) + 1, uint64_t{1} << 62}) {
    std::set<uint64_t> images;
    for (uint64_t i = 0; i < 200; ++i) {
      images.insert(Permute(key, n - 1 - i, n));
    }
    EXPECT_EQ(images.size(), 200u);
    EXPECT_LT(*images.rbegin(), n);
  }
}

TEST(PermuteTest, SpreadsNeighbours) {
  // The means of thirds of the images would show a shift or a stride.
  const RandomKey key(11, RandomPurpose::kTest);
  double sum[3] = {};
  for (uint64_t i = 0; i < 3000; ++i) {
    sum[i / 1000] += static_cast<double>(Permute(key, i, 3000));
  }
  for (const double third : sum) EXPECT_NEAR(third / 1000, 1500, 150);
}

TEST(PromptIndexTest, EveryEpochVisitsEveryPromptOnce) {
  // With steps of 4 slots over 10 prompts, epochs end inside steps.
  const PromptOrder order{7, 1, 10, 4};
  std::vector<std::vector<uint64_t>> epochs(3);
  for (uint64_t position = 0; position < 30; ++position) {
    epochs[position / 10].push_back(
        PromptIndex(order, position / 4, static_cast<uint32_t>(position % 4)));
  }
  for (const std::vector<uint64_t>& epoch : epochs) {
    EXPECT_EQ(std::set<uint64_t>(epoch.begin(), epoch.end()).size(), 10u);
  }
  EXPECT_NE(epochs[0], epochs[1]);
}

TEST(PromptIndexTest, SeedAndStageChangeTheOrder) {
  const auto order = [](uint64_t seed, uint32_t stage) {
    std::vector<uint64_t> indices;
    for (uint32_t slot = 0; slot < 20; ++slot) {
      indices.push_back(PromptIndex({seed, stage, 1000, 20}, 0, slot));
    }
    return indices;
  };
  EXPECT_EQ(order(1, 0), order(1, 0));
  EXPECT_NE(order(1, 0), order(2, 0));
  EXPECT_NE(order(1, 0), order(1, 1));
}

TEST(LearningRateTest, WarmsUpAndStaysConstant) {
  LearningRateSchedule schedule;
  schedule.peak = 1;
  schedule.warmup_steps = 4;
  schedule.total_steps = 10;
  EXPECT_EQ(schedule.At(0), .25);
  EXPECT_EQ(schedule.At(2), .75);
  EXPECT_EQ(schedule.At(3), 1);
  EXPECT_EQ(schedule.At(9), 1);
  schedule.warmup_steps = 0;
  EXPECT_EQ(schedule.At(0), 1);
}

TEST(LearningRateTest, CosineFallsFromThePeakToTheFloor) {
  LearningRateSchedule schedule;
  schedule.type = LearningRateSchedule::Type::kCosine;
  schedule.peak = 2;
  schedule.min_ratio = .1;
  schedule.warmup_steps = 10;
  schedule.total_steps = 110;
  EXPECT_DOUBLE_EQ(schedule.At(10), 2);
  EXPECT_NEAR(schedule.At(60), 1.1, 1e-12);
  EXPECT_GT(schedule.At(109), .2);
  EXPECT_NEAR(schedule.At(109), .2, 1e-3);
  EXPECT_DOUBLE_EQ(schedule.At(1000), .2);
  for (uint64_t step = 11; step < 110; ++step) {
    EXPECT_LT(schedule.At(step), schedule.At(step - 1));
  }
}

TEST(LearningRateTest, ValidationNamesTheField) {
  LearningRateSchedule schedule;
  EXPECT_TRUE(schedule.Validate().ok());
  schedule.warmup_steps = 5;
  EXPECT_THAT(schedule.Validate().ToString(),
              HasSubstr("warmup_steps must be at most steps, got 5 and 1"));
  schedule.peak = 0;
  EXPECT_THAT(schedule.Validate().ToString(), HasSubstr("learning_rate"));
  EXPECT_FALSE(LearningRateSchedule::ParseType("linear").ok());
}

}  // namespace
}  // namespace aha
