// The scorer that a job file asks for.
#include "reward_service/job_scorer.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <string>
#include <utility>
#include <vector>

#include "absl/synchronization/notification.h"
#include "base/clock.h"
#include "base/mutex.h"
#include "tests/temp_dir.h"

namespace aha::reward {
namespace {

using ::testing::AllOf;
using ::testing::HasSubstr;

v1::RewardComponent* Add(v1::Job* job, const std::string& type, double weight) {
  v1::RewardComponent* reward = job->add_rewards();
  reward->set_type(type);
  reward->set_weight(weight);
  return reward;
}

// What the scorer says of the completion, once it has said it.
absl::StatusOr<Score> ScoreWith(JobScorer& scorer,
                                const Completion& completion) {
  absl::Notification said;
  absl::StatusOr<Score> score;
  scorer.Score(completion, [&](absl::StatusOr<Score> result) {
    score = std::move(result);
    said.Notify();
  });
  said.WaitForNotification();
  return score;
}

absl::StatusOr<Score> ScoreOf(const v1::Job& job,
                              const Completion& completion) {
  const auto scorer =
      JobScorer::Create(job, {.clock = [] { return absl::UnixEpoch(); }});
  EXPECT_TRUE(scorer.ok()) << scorer.status();
  return ScoreWith(**scorer, completion);
}

TEST(JobScorerTest, TheRewardIsTheWeightedSum) {
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

TEST(JobScorerTest, PartsSayHowTheyEndedAndWhatWasRead) {
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

TEST(JobScorerTest, TheToleranceOfTheJobFileCounts) {
  v1::Job job;
  Add(&job, "numeric", 1)->set_tolerance(1);
  EXPECT_EQ(
      ScoreOf(job, {.prompt = "?", .reference = "6", .text = "7"})->reward, 1);
  EXPECT_EQ(
      ScoreOf(job, {.prompt = "?", .reference = "6", .text = "8"})->reward, 0);
}

TEST(JobScorerTest, LengthCountsTokensAndKnowsTheJobsLimit) {
  v1::Job job;
  job.mutable_sampling()->set_max_completion_length(100);
  Add(&job, "length", 1);
  const auto reward = [&](size_t tokens) {
    Completion completion;
    completion.prompt = "?";
    completion.text = "7";
    completion.token_ids.resize(tokens);
    return ScoreOf(job, completion)->reward;
  };
  EXPECT_EQ(reward(80), 0);
  EXPECT_EQ(reward(90), -.5);
  EXPECT_EQ(reward(100), -1);
  job.mutable_rewards(0)->set_max_length(200);
  job.mutable_rewards(0)->set_cache_length(10);
  EXPECT_EQ(reward(100), 0);
  EXPECT_EQ(reward(195), -.5);
}

TEST(JobScorerTest, AReferenceThatNoRuleCanUseIsAnErrorNotAZero) {
  v1::Job job;
  Add(&job, "last_number", 1);
  const auto score =
      ScoreOf(job, {.prompt = "?", .reference = "many", .text = "7"});
  EXPECT_TRUE(absl::IsInvalidArgument(score.status()));
  EXPECT_THAT(score.status().ToString(), HasSubstr("got 'many'"));
}

TEST(JobScorerTest, ADeadlineThatPassesIsUnavailableNotAZero) {
  v1::Job job;
  Add(&job, "contains", 1);
  job.mutable_cluster()->set_wait_seconds(1);
  absl::Time now = absl::UnixEpoch();
  const auto scorer = JobScorer::Create(
      job, {.clock = [&now] { return now += absl::Seconds(2); }});
  const auto score =
      ScoreWith(**scorer, {.prompt = "?", .reference = "7", .text = "7"});
  EXPECT_TRUE(absl::IsUnavailable(score.status())) << score.status();
}

TEST(JobScorerTest, AnUnknownTypeIsRefused) {
  v1::Job job;
  Add(&job, "acuracy", 1);
  EXPECT_THAT(JobScorer::Create(job, {}).status().ToString(),
              HasSubstr("got 'acuracy'"));
}

TEST(JobScorerTest, ThePolicyOfTheJobFileSaysWhatAnOutcomeIsWorth) {
  v1::Job job;
  v1::RewardComponent* reward = Add(&job, "numeric", 2);
  reward->set_on_unparsable(-1);
  reward->set_on_limit(-.5);
  const Completion none = {.prompt = "?", .reference = "6", .text = "No idea."};
  EXPECT_EQ(ScoreOf(job, none)->reward, -2);
  EXPECT_EQ(ScoreOf(job, none)->parts[0].value(), -1);
  EXPECT_EQ(ScoreOf(job, none)->parts[0].outcome(),
            v1::REWARD_OUTCOME_UNPARSABLE);
  EXPECT_EQ(
      ScoreOf(job, {.prompt = "?", .reference = "6", .text = "1e999999999"})
          ->reward,
      -1);
}

TEST(JobScorerTest, TheFirstCompletionOfSomeGroupsIsJudgedTwice) {
  Completion completion = {.prompt = "?", .reference = "", .text = ""};
  completion.group = {.stage = 1, .step = 0, .slot = 3};
  EXPECT_TRUE(IsJudgedTwice(completion));
  int twice = 0;
  for (uint64_t step = 1; step <= 1600; ++step) {
    completion.group.step = step;
    completion.sample = 0;
    twice += IsJudgedTwice(completion);
    completion.sample = 1;
    EXPECT_FALSE(IsJudgedTwice(completion));
  }
  EXPECT_GT(twice, 50);
  EXPECT_LT(twice, 150);
}

// Programs in the shell that judge; each is a line of a script.
class ProgramRewardTest : public ::testing::Test {
 protected:
  // A job with one component, whose program is this script.
  v1::Job Job(const std::string& script) const {
    v1::Job job;
    v1::RewardComponent* reward = Add(&job, "command", 1);
    reward->set_name("mine");
    reward->add_command("/bin/sh");
    reward->add_command("-c");
    reward->add_command(script);
    reward->mutable_program()->set_timeout_seconds(30);
    return job;
  }
  // Answers each request with this text behind the id.
  static std::string Answer(const std::string& rest) {
    return R"(while read -r line; do
      id=${line#*\"id\":}; id=${id%%,*}
      printf '{"id":%s,)" +
           rest + R"(}\n' "$id"; done)";
  }
  absl::StatusOr<Score> Judge(const v1::Job& job,
                              Completion completion = {.prompt = "?",
                                                       .reference = "",
                                                       .text = "7",
                                                       .sample = 1}) {
    auto scorer = JobScorer::Create(
        job, {.clock = MonotonicClock(),
              .not_reproducible = [this](const std::string& why) {
                MutexLock lock(mutex_);
                marks_.push_back(why);
              }});
    EXPECT_TRUE(scorer.ok()) << scorer.status();
    return ScoreWith(**scorer, completion);
  }
  std::string ErrorOf(const v1::Job& job) {
    const auto score = Judge(job);
    EXPECT_TRUE(absl::IsUnavailable(score.status())) << score.status();
    return std::string(score.status().message());
  }

  Mutex mutex_;
  std::vector<std::string> marks_ ABSL_GUARDED_BY(mutex_);
};

TEST_F(ProgramRewardTest, ItsScoreAndEvidenceAreThoseOfTheProgram) {
  v1::Job job = Job(Answer(R"("score":0.25,"evidence":"read")"));
  job.mutable_rewards(0)->set_weight(2);
  const auto score = Judge(job);
  ASSERT_TRUE(score.ok()) << score.status();
  EXPECT_EQ(score->reward, .5);
  EXPECT_EQ(score->parts[0].name(), "mine");
  EXPECT_EQ(score->parts[0].value(), .25);
  EXPECT_EQ(score->parts[0].outcome(), v1::REWARD_OUTCOME_SCORE);
  EXPECT_EQ(score->parts[0].evidence(), "read");
}

TEST_F(ProgramRewardTest, NullLeavesTheComponentOut) {
  v1::Job job = Job(Answer(R"("score":null)"));
  Add(&job, "contains", 1);
  const auto score =
      Judge(job, {.prompt = "?", .reference = "7", .text = "7", .sample = 1});
  ASSERT_TRUE(score.ok()) << score.status();
  EXPECT_EQ(score->reward, 1);
  EXPECT_EQ(score->parts[0].outcome(), v1::REWARD_OUTCOME_NOT_APPLICABLE);
  EXPECT_EQ(score->parts[1].value(), 1);
}

TEST_F(ProgramRewardTest, ScoresOutsideTheDeclaredRangeAreErrors) {
  v1::Job job = Job(Answer(R"("score":1.5)"));
  job.mutable_rewards(0)->mutable_program()->set_max_score(1);
  EXPECT_THAT(ErrorOf(job), HasSubstr("its score 1.5 is above"));
  job = Job(Answer(R"("score":-0.5)"));
  job.mutable_rewards(0)->mutable_program()->set_min_score(0);
  EXPECT_THAT(ErrorOf(job), HasSubstr("its score -0.5 is below"));
}

TEST_F(ProgramRewardTest, WhatIsNoNumberIsAnErrorThatNamesTheProgram) {
  EXPECT_THAT(ErrorOf(Job(Answer(R"("score":NaN)"))),
              AllOf(HasSubstr("reward mine (/bin/sh)"), HasSubstr("NaN")));
  EXPECT_THAT(ErrorOf(Job(Answer(R"("score":1e999)"))), HasSubstr("1e999"));
  EXPECT_THAT(ErrorOf(Job(Answer(R"("score":"7")"))),
              HasSubstr("neither a number nor null"));
}

TEST_F(ProgramRewardTest, AnErrorOfTheProgramIsNoScore) {
  EXPECT_THAT(ErrorOf(Job(Answer(R"("error":"no key for the judge")"))),
              HasSubstr("no key for the judge"));
}

TEST_F(ProgramRewardTest, OutcomesOfTheProgramAreWorthWhatTheJobFileSays) {
  v1::Job job = Job(Answer(R"("outcome":"unparsable")"));
  EXPECT_EQ(Judge(job)->reward, 0);
  job.mutable_rewards(0)->set_on_unparsable(-1);
  EXPECT_EQ(Judge(job)->reward, -1);
  job = Job(Answer(R"("outcome":"crash","evidence":"its code crashed")"));
  EXPECT_THAT(ErrorOf(job), HasSubstr("its code crashed"));
  job.mutable_rewards(0)->set_on_crash(-2);
  EXPECT_EQ(Judge(job)->reward, -2);
}

TEST_F(ProgramRewardTest, AnswersThatDifferMarkTheJobAsNotReproducible) {
  const std::string counts = R"(n=0; while read -r line; do
      id=${line#*\"id\":}; id=${id%%,*}; n=$((n+1))
      printf '{"id":%s,"score":%s}\n' "$id" "$n"; done)";
  const Completion twice = {.prompt = "?", .reference = "", .text = "7"};
  ASSERT_TRUE(IsJudgedTwice(twice));
  EXPECT_EQ(Judge(Job(counts), twice)->reward, 1) << "the first one counts";
  {
    MutexLock lock(mutex_);
    ASSERT_EQ(marks_.size(), 1u);
    EXPECT_THAT(marks_[0], HasSubstr("said 1, then 2"));
    marks_.clear();
  }
  EXPECT_EQ(Judge(Job(Answer(R"("score":1)")), twice)->reward, 1);
  MutexLock lock(mutex_);
  EXPECT_TRUE(marks_.empty());
}

TEST_F(ProgramRewardTest, ATimeOutIsAnErrorUnlessTheJobFileSaysItsWorth) {
  // It hangs on a completion of that text.
  const std::string hangs = R"(while read -r line; do
      case $line in *hang*) exec sleep 600;; esac
      id=${line#*\"id\":}; id=${id%%,*}
      printf '{"id":%s,"score":1}\n' "$id"; done)";
  v1::Job job = Job(hangs);
  job.mutable_rewards(0)->mutable_program()->set_timeout_seconds(.2);
  const Completion hang = {
      .prompt = "?", .reference = "", .text = "hang", .sample = 1};
  EXPECT_THAT(Judge(job, hang).status().ToString(),
              AllOf(HasSubstr("did not answer in time"), HasSubstr("200ms")));
  job.mutable_rewards(0)->set_on_timeout(-1);
  auto scorer = JobScorer::Create(
      job, {.clock = MonotonicClock(),
            .not_reproducible = [this](const std::string& why) {
              MutexLock lock(mutex_);
              marks_.push_back(why);
            }});
  // A program that never answered may just be broken.
  EXPECT_TRUE(absl::IsUnavailable(ScoreWith(**scorer, hang).status()));
  EXPECT_EQ(
      ScoreWith(**scorer,
                {.prompt = "?", .reference = "", .text = "7", .sample = 1})
          ->reward,
      1);
  const auto late = ScoreWith(**scorer, hang);
  ASSERT_TRUE(late.ok()) << late.status();
  EXPECT_EQ(late->reward, -1);
  EXPECT_EQ(late->parts[0].outcome(), v1::REWARD_OUTCOME_TIMEOUT);
  MutexLock lock(mutex_);
  ASSERT_EQ(marks_.size(), 1u);
  EXPECT_THAT(marks_[0], HasSubstr("time-out was worth on_timeout"));
}

}  // namespace
}  // namespace aha::reward
