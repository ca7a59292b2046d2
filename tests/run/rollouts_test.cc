#include "run/rollouts.h"

#include <filesystem>
#include <nlohmann/json.hpp>

#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "tests/temp_dir.h"

namespace aha::run {
namespace {

using ::testing::ElementsAre;
using ::testing::Pair;

Rollout Sample(uint64_t slot, uint64_t sample, double reward,
               const std::string& completion) {
  Rollout rollout;
  rollout.step = 7;
  rollout.slot = slot;
  rollout.sample = sample;
  rollout.prompt = "What is 3 + 4?";
  rollout.completion = completion;
  rollout.token_ids.resize(12);
  rollout.policy_version = 6;
  rollout.finish_reason = "stop";
  rollout.reward = reward;
  rollout.rewards = {{"accuracy", reward}, {"format", 1}};
  rollout.advantage = static_cast<float>(reward - 0.5);
  return rollout;
}

TEST(RolloutsTest, FieldsAreReadLeniently) {
  const Rollout rollout = ParseRollout(Json::parse(
      R"({"step": 3, "slot": 2, "sample": 1, "prompt": "p", "completion": "c",
          "token_ids": [1, 2, 3], "policy_version": 3, "finish_reason": "length",
          "reward": 0.5, "rewards": {"accuracy": 0, "format": 1},
          "advantage": null})"));
  EXPECT_EQ(rollout.slot, 2);
  EXPECT_EQ(rollout.token_ids.size(), 3u);
  EXPECT_THAT(rollout.rewards,
              ElementsAre(Pair("accuracy", 0), Pair("format", 1)));
  EXPECT_FALSE(rollout.advantage.has_value());
  EXPECT_EQ(ParseRollout(Json::parse(R"({"slot": "x"})")).slot, 0);
}

TEST(RolloutsTest, BrokenLinesAreCountedAndLeftOut) {
  const TempDir dir;
  dir.Write("step-000003.jsonl",
            "{\"step\":3,\"slot\":0,\"reward\":1}\n{\"step\":3,\"slo\n\n[1]\n"
            "{\"step\":3,\"slot\":1,\"reward\":0}\n");
  dir.Write("step-000010.jsonl", "");
  dir.Write("step-x.jsonl", "");
  const std::vector<RolloutRef> refs = ListRollouts(dir.path());
  ASSERT_EQ(refs.size(), 2u);
  EXPECT_EQ(refs[1].step, 10);
  const auto file = ReadRollouts(refs[0].path);
  ASSERT_TRUE(file.ok());
  EXPECT_EQ(file->broken, 2);
  EXPECT_EQ(file->rollouts.size(), 2u);
  EXPECT_EQ(Summarize(*ReadRollouts(refs[1].path)).trajectories, 0u);
}

TEST(RolloutsTest, StagesComeInTheOrderTheyBegan) {
  const TempDir dir;
  const auto now = std::filesystem::file_time_type::clock::now();
  const std::string second = dir.Write("a-step-000000.jsonl", "");
  std::filesystem::last_write_time(second, now);
  const std::string first = dir.Write("b-x-step-000001.jsonl", "");
  std::filesystem::last_write_time(first, now - std::chrono::hours(1));
  const std::vector<RolloutRef> refs = ListRollouts(dir.path());
  ASSERT_EQ(refs.size(), 2u);
  EXPECT_EQ(refs[0].stage, "b-x");
  EXPECT_EQ(refs[1].stage, "a");
}

TEST(RolloutsTest, ASummaryCountsGroupsAndThoseWithoutSignal) {
  RolloutFile file;
  file.step = 7;
  file.rollouts = {Sample(0, 0, 1, ""), Sample(0, 1, 0, ""),
                   Sample(1, 0, 1, ""), Sample(1, 1, 1, "")};
  file.rollouts[3].finish_reason = "length";
  const StepSummary summary = Summarize(file);
  EXPECT_EQ(summary.groups, 2u);
  EXPECT_DOUBLE_EQ(summary.reward_mean, 0.75);
  EXPECT_DOUBLE_EQ(summary.reward_std, 0.5);
  EXPECT_DOUBLE_EQ(summary.degenerate_ratio, 0.5);
  EXPECT_DOUBLE_EQ(summary.clipped_ratio, 0.25);
}

TEST(RolloutsTest, TheGroupThatTeachesMostIsShownFirst) {
  RolloutFile file;
  EXPECT_EQ(MostInstructiveSlot(file), 0);
  file.rollouts = {Sample(2, 0, 1, "a"), Sample(2, 1, 1, "a"),
                   Sample(4, 0, 1, "a"), Sample(4, 1, 0.5, "b"),
                   Sample(7, 0, 1, "a"), Sample(7, 1, 0, "b"),
                   Sample(9, 0, 0, "a"), Sample(9, 1, 1, "b")};
  EXPECT_EQ(MostInstructiveSlot(file), 7);
  file.rollouts.resize(2);
  EXPECT_EQ(MostInstructiveSlot(file), 2);
}

}  // namespace
}  // namespace aha::run
