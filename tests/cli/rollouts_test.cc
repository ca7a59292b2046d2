#include "cli/report/rollouts.h"

#include <nlohmann/json.hpp>

#include "absl/strings/str_join.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "tests/temp_dir.h"

namespace aha::cli {
namespace {

using ::testing::Each;
using ::testing::ElementsAre;
using ::testing::Le;
using ::testing::Pair;
using ::testing::ResultOf;

Rollout Sample(int64_t slot, int64_t sample, double reward,
               const std::string& completion) {
  Rollout rollout;
  rollout.step = 7;
  rollout.slot = slot;
  rollout.sample = sample;
  rollout.prompt = "What is 3 + 4?";
  rollout.completion = completion;
  rollout.tokens = 12;
  rollout.policy_version = 6;
  rollout.finish_reason = "stop";
  rollout.reward = reward;
  rollout.rewards = {{"accuracy", reward}, {"format", 1}};
  rollout.advantage = reward - 0.5;
  return rollout;
}

TEST(RolloutsTest, FieldsAreReadLeniently) {
  const Rollout rollout = ParseRollout(Json::parse(
      R"({"step": 3, "slot": 2, "sample": 1, "prompt": "p", "completion": "c",
          "token_ids": [1, 2, 3], "policy_version": 3, "finish_reason": "length",
          "reward": 0.5, "rewards": {"accuracy": 0, "format": 1},
          "advantage": null})"));
  EXPECT_EQ(rollout.slot, 2);
  EXPECT_EQ(rollout.tokens, 3u);
  EXPECT_THAT(rollout.rewards,
              ElementsAre(Pair("accuracy", 0), Pair("format", 1)));
  EXPECT_FALSE(rollout.advantage.has_value());
  EXPECT_EQ(ParseRollout(Json::parse(R"({"slot": "x"})")).slot, 0);
  EXPECT_THAT(
      ParseRollout(Json::parse(R"({"rewards": [{"name": "a", "value": 2}]})"))
          .rewards,
      ElementsAre(Pair("a", 2)));
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

TEST(RolloutsTest, AGroupIsLaidOutSideBySideBestFirstAndEqualOnesOnce) {
  const std::string right = "<think>3 + 4 = 7</think>\n<answer>7</answer>";
  const std::string wrong = "<answer>8</answer>";
  const std::vector<std::string> lines = RenderGroup(
      {Sample(3, 0, 0, wrong), Sample(3, 1, 1, right), Sample(3, 2, 0, wrong),
       Sample(3, 3, 0, wrong), Sample(3, 4, 0, wrong), Sample(3, 6, 0, wrong)},
      {.width = 80, .color = false, .glyphs = Glyphs::kAscii});
  EXPECT_EQ(absl::StrJoin(lines, "\n"),
            R"(step 7  slot 3  policy version 6  6 completions, 2 different

> What is 3 + 4?

reward 1.000   advantage +0.500          reward 0.000   advantage -0.500
accuracy 1, format 1                     accuracy 0, format 1
12 tokens, ended by stop                 12 tokens, ended by stop
sample 1                                 5 samples: 0, 2-4, 6
--------------------------------------   --------------------------------------
<think>3 + 4 = 7</think>                 <answer>8</answer>
<answer>7</answer>)");
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

TEST(RolloutsTest, AGroupFitsEveryWidth) {
  std::vector<Rollout> group;
  for (int i = 0; i < 5; ++i) {
    group.push_back(
        Sample(0, i, 1, std::string(300 + i, 'x') + "\x1b[2J 漢字"));
  }
  for (int width : {20, 40, 80, 121, 300}) {
    EXPECT_THAT(RenderGroup(group, {.width = width}),
                Each(ResultOf(DisplayWidth, Le(width))))
        << width;
  }
}

}  // namespace
}  // namespace aha::cli
