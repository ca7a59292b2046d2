// The shim that runs a user's Python function, behind a real pool.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "absl/synchronization/notification.h"
#include "base/clock.h"
#include "reward_service/job_scorer.h"
#include "tests/temp_dir.h"

namespace aha::reward {
namespace {

using ::testing::AllOf;
using ::testing::HasSubstr;

class PythonShimTest : public ::testing::Test {
 protected:
  // What the function `score` of this text says of the completion.
  absl::StatusOr<Score> Judge(const std::string& python,
                              const Completion& completion,
                              bool chat = false) const {
    v1::Job job;
    if (chat) job.mutable_prompts()->set_format("chat");
    v1::RewardComponent* reward = job.add_rewards();
    reward->set_type("python");
    reward->set_name("mine");
    reward->set_python(dir_.Write("mine.py", python) + ":score");
    reward->mutable_program()->set_timeout_seconds(60);
    auto scorer = JobScorer::Create(
        job, {.clock = MonotonicClock(),
              .python_shim = AHA_BIN_DIR "/aha-reward-python.py"});
    EXPECT_TRUE(scorer.ok()) << scorer.status();
    absl::Notification said;
    absl::StatusOr<Score> score;
    (*scorer)->Score(completion, [&](absl::StatusOr<Score> result) {
      score = std::move(result);
      said.Notify();
    });
    said.WaitForNotification();
    return score;
  }
  std::string ErrorOf(const std::string& python) const {
    const auto score = Judge(python, kSeven);
    EXPECT_TRUE(absl::IsUnavailable(score.status())) << score.status();
    return std::string(score.status().message());
  }

  const Completion kSeven = {.prompt = "3+4=",
                             .reference = "7",
                             .fields = {{"source", "\"sums\""}},
                             .text = "It is 7",
                             .token_ids = {3, 4, 5},
                             .sample = 1};
  const TempDir dir_;
};

TEST_F(PythonShimTest, AFunctionHasTrlsSignature) {
  const auto score = Judge(R"(
def score(prompts, completions, completion_ids, answer, source, **fields):
    print("printed")  # Goes into the log.
    assert prompts == ["3+4="] and completions == ["It is 7"], prompts
    assert completion_ids == [[3, 4, 5]] and source == ["sums"], source
    assert answer == fields["solution"] == fields["ground_truth"] == ["7"]
    return [0.5 if a in c else 0.0 for a, c in zip(answer, completions)]
)",
                           kSeven);
  ASSERT_TRUE(score.ok()) << score.status();
  EXPECT_EQ(score->reward, .5);
}

TEST_F(PythonShimTest, AConversationComesAsMessages) {
  const auto score = Judge(R"(
def score(prompts, completions, **fields):
    assert prompts == [[{"role": "user", "content": "3+4="}]], prompts
    return [float("7" in c[0]["content"] and c[0]["role"] == "assistant")
            for c in completions]
)",
                           kSeven, /*chat=*/true);
  ASSERT_TRUE(score.ok()) << score.status();
  EXPECT_EQ(score->reward, 1);
}

TEST_F(PythonShimTest, AnAsyncFunctionAndOneWithFewParametersWork) {
  const auto awaited = Judge(R"(
import asyncio
async def score(completions):
    await asyncio.sleep(0)
    return [1]
)",
                             kSeven);
  ASSERT_TRUE(awaited.ok()) << awaited.status();
  EXPECT_EQ(awaited->reward, 1);
}

TEST_F(PythonShimTest, NoneLeavesTheCompletionOut) {
  const auto none = Judge("def score(completions): return [None]", kSeven);
  ASSERT_TRUE(none.ok()) << none.status();
  EXPECT_EQ(none->parts[0].outcome(), v1::REWARD_OUTCOME_NOT_APPLICABLE);
}

TEST_F(PythonShimTest, WhatIsNoListOfNumbersIsAnError) {
  EXPECT_THAT(ErrorOf("def score(**_): return [1, 2]"),
              HasSubstr("it returned 2 scores for 1 completions"));
  EXPECT_THAT(ErrorOf("def score(**_): return [float('nan')]"),
              HasSubstr("it returned the score nan"));
  EXPECT_THAT(ErrorOf("def score(**_): return ['much']"),
              HasSubstr("ValueError"));
  EXPECT_THAT(ErrorOf("def score(**_): raise KeyError('gold')"),
              HasSubstr("KeyError: 'gold'"));
}

TEST_F(PythonShimTest, AFileThatCannotBeLoadedIsNamedWithTheReason) {
  EXPECT_THAT(ErrorOf("import no_such_module"),
              AllOf(HasSubstr("mine.py"), HasSubstr("exit code 1"),
                    HasSubstr("no_such_module")));
  EXPECT_THAT(ErrorOf("def other(): pass"), HasSubstr("has no function score"));
}

}  // namespace
}  // namespace aha::reward
