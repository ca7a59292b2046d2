#include "cli/report/group_view.h"

#include "absl/strings/str_join.h"
#include "cli/term/text.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"

namespace aha::cli {
namespace {

using run::Rollout;
using ::testing::Each;
using ::testing::HasSubstr;
using ::testing::Le;
using ::testing::ResultOf;

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

TEST(GroupViewTest, AGroupIsLaidOutSideBySideBestFirstAndEqualOnesOnce) {
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

TEST(GroupViewTest, WhatThePolicySawAndTheReferenceAreShown) {
  Rollout rollout = Sample(0, 0, 1, "7");
  rollout.rendered_prompt = "<system>Be brief.<end>\n<user>What is 3 + 4?<end>";
  rollout.reference = "7";
  const std::string text = absl::StrJoin(
      RenderGroup({rollout}, {.width = 80, .glyphs = Glyphs::kAscii}), "\n");
  EXPECT_THAT(text, HasSubstr("> <system>Be brief.<end>\n"
                              "> <user>What is 3 + 4?<end>\n"
                              "reference: 7\n"));
}

TEST(GroupViewTest, AGroupFitsEveryWidth) {
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
