// The line of rollouts/ that a trajectory becomes.
#include "learner/trajectory.h"

#include <gtest/gtest.h>

#include <string>

#include "nlohmann/json.hpp"

namespace aha::learner {
namespace {

using LineJson = nlohmann::json;

v1::ScoredTrajectory OnePart() {
  v1::ScoredTrajectory scored;
  scored.mutable_trajectory()->set_completion("It is 7.");
  scored.set_reward(0.5);
  v1::RewardPart& part = *scored.add_parts();
  part.set_name("right");
  part.set_value(0);
  return scored;
}

TEST(RolloutLineTest, AVerdictSaysHowItEndedAndWhatWasRead) {
  v1::ScoredTrajectory scored = OnePart();
  scored.mutable_parts(0)->set_outcome(v1::REWARD_OUTCOME_UNPARSABLE);
  scored.mutable_parts(0)->set_evidence("last box: '\"' is not one number");
  const LineJson line = LineJson::parse(MakeRolloutLine({}, "", scored, 0.25f));
  EXPECT_EQ(line["rewards"]["right"], 0);
  EXPECT_EQ(line["verdicts"]["right"]["outcome"], "unparsable");
  EXPECT_EQ(line["verdicts"]["right"]["evidence"],
            "last box: '\"' is not one number");
  EXPECT_EQ(line["advantage"], 0.25);
}

TEST(RolloutLineTest, WithoutVerdictsTheKeyIsAbsent) {
  const LineJson line = LineJson::parse(MakeRolloutLine({}, "", OnePart(), 0));
  EXPECT_FALSE(line.contains("verdicts"));
  EXPECT_EQ(line["reward"], 0.5);
}

TEST(RolloutLineTest, WhatThePolicySawStandsBesideThePromptOfTheData) {
  v1::GroupContext context;
  context.set_prompt("1+1?");
  context.set_reference("2");
  for (const int id : {1, 5, 9}) context.add_prompt_token_ids(id);
  const LineJson line = LineJson::parse(
      MakeRolloutLine(context, "<user>1+1?<end>", OnePart(), 0));
  EXPECT_EQ(line["prompt"], "1+1?");
  EXPECT_EQ(line["reference"], "2");
  EXPECT_EQ(line["rendered_prompt"], "<user>1+1?<end>");
  EXPECT_EQ(line["prompt_token_ids"], LineJson({1, 5, 9}));
}

}  // namespace
}  // namespace aha::learner
