// The scorer that a job file asks for.
#include "reward_service/rule_scorer.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <string>

namespace aha::reward {
namespace {

using ::testing::HasSubstr;

v1::RewardComponent* Add(v1::Job* job, const std::string& type, double weight) {
  v1::RewardComponent* reward = job->add_rewards();
  reward->set_type(type);
  reward->set_weight(weight);
  return reward;
}

absl::StatusOr<Score> ScoreOf(const v1::Job& job,
                              const Completion& completion) {
  const auto scorer = MakeRuleScorer(job, [] { return absl::UnixEpoch(); });
  EXPECT_TRUE(scorer.ok()) << scorer.status();
  return (*scorer)(completion);
}

TEST(RuleScorerTest, TheRewardIsTheWeightedSum) {
  v1::Job job;
  Add(&job, "accuracy", 1)->set_name("right");
  Add(&job, "format", .1);
  const auto score =
      ScoreOf(job, {.prompt = "?",
                    .reference = "6",
                    .text = "<think></think><answer>7</answer>"});
  ASSERT_TRUE(score.ok()) << score.status();
  EXPECT_EQ(score->reward, .1);
  ASSERT_EQ(score->parts.size(), 2u);
  EXPECT_EQ(score->parts[0].name(), "right");
  EXPECT_EQ(score->parts[0].value(), 0);
  EXPECT_EQ(score->parts[1].name(), "format");
  EXPECT_EQ(score->parts[1].value(), 1);
  EXPECT_EQ(score->parts[1].weight(), .1);
}

TEST(RuleScorerTest, PartsSayHowTheyEndedAndWhatWasRead) {
  v1::Job job;
  Add(&job, "numeric", 1);
  const auto read =
      ScoreOf(job, {.prompt = "?", .reference = "6", .text = "It is 7."});
  EXPECT_EQ(read->parts[0].outcome(), v1::REWARD_OUTCOME_SCORE);
  EXPECT_EQ(read->parts[0].evidence(), "last number: '7'");
  const auto none =
      ScoreOf(job, {.prompt = "?", .reference = "6", .text = "No idea."});
  EXPECT_EQ(none->parts[0].outcome(), v1::REWARD_OUTCOME_UNPARSABLE);
  const auto huge =
      ScoreOf(job, {.prompt = "?", .reference = "6", .text = "1e999999999"});
  EXPECT_EQ(huge->parts[0].outcome(), v1::REWARD_OUTCOME_LIMIT);
  EXPECT_EQ(huge->reward, 0);
}

TEST(RuleScorerTest, TheToleranceOfTheJobFileCounts) {
  v1::Job job;
  Add(&job, "numeric", 1)->set_tolerance(1);
  EXPECT_EQ(
      ScoreOf(job, {.prompt = "?", .reference = "6", .text = "7"})->reward, 1);
  EXPECT_EQ(
      ScoreOf(job, {.prompt = "?", .reference = "6", .text = "8"})->reward, 0);
}

TEST(RuleScorerTest, LengthCountsTokensAndKnowsTheJobsLimit) {
  v1::Job job;
  job.mutable_sampling()->set_max_completion_length(100);
  Add(&job, "length", 1);
  const auto reward = [&](int64_t tokens) {
    return ScoreOf(
               job,
               {.prompt = "?", .reference = "", .text = "7", .tokens = tokens})
        ->reward;
  };
  EXPECT_EQ(reward(80), 0);
  EXPECT_EQ(reward(90), -.5);
  EXPECT_EQ(reward(100), -1);
  job.mutable_rewards(0)->set_max_length(200);
  job.mutable_rewards(0)->set_cache_length(10);
  EXPECT_EQ(reward(100), 0);
  EXPECT_EQ(reward(195), -.5);
}

TEST(RuleScorerTest, AReferenceThatNoRuleCanUseIsAnErrorNotAZero) {
  v1::Job job;
  Add(&job, "last_number", 1);
  const auto score =
      ScoreOf(job, {.prompt = "?", .reference = "many", .text = "7"});
  EXPECT_TRUE(absl::IsInvalidArgument(score.status()));
  EXPECT_THAT(score.status().ToString(), HasSubstr("got 'many'"));
}

TEST(RuleScorerTest, ADeadlineThatPassesIsUnavailableNotAZero) {
  v1::Job job;
  Add(&job, "contains", 1);
  job.mutable_cluster()->set_wait_seconds(1);
  absl::Time now = absl::UnixEpoch();
  const auto scorer =
      MakeRuleScorer(job, [&now] { return now += absl::Seconds(2); });
  const auto score = (*scorer)({.prompt = "?", .reference = "7", .text = "7"});
  EXPECT_TRUE(absl::IsUnavailable(score.status())) << score.status();
}

TEST(RuleScorerTest, AnUnknownTypeIsRefused) {
  v1::Job job;
  Add(&job, "acuracy", 1);
  EXPECT_THAT(MakeRuleScorer(job, {}).status().ToString(),
              HasSubstr("got 'acuracy'"));
}

}  // namespace
}  // namespace aha::reward
