#include "cli/local/restart_policy.h"

#include "gmock/gmock.h"
#include "gtest/gtest.h"

namespace aha::cli {
namespace {

using ::testing::HasSubstr;

constexpr ProcessExit kKilled{.code = 0, .signal = 9};

RestartPolicy NewPolicy() {
  return RestartPolicy({.first_delay = absl::Seconds(1),
                        .longest_delay = absl::Seconds(5),
                        .exit_delay = absl::Seconds(3),
                        .max_ends = 4});
}

TEST(RestartPolicyTest, AnActorIsRestartedLaterEachTimeUntilTheLimit) {
  RestartPolicy policy = NewPolicy();
  for (int seconds : {1, 2, 4, 5}) {
    const ExitDecision decision =
        policy.OnExit("actor-0", ProcessRole::kActor, kKilled);
    EXPECT_EQ(decision.action, ExitAction::kRestart);
    EXPECT_EQ(decision.delay, absl::Seconds(seconds));
  }
  const ExitDecision last =
      policy.OnExit("actor-0", ProcessRole::kActor, kKilled);
  EXPECT_EQ(last.action, ExitAction::kStopAll);
  EXPECT_THAT(last.reason, HasSubstr("5 times"));
}

TEST(RestartPolicyTest, AStepResetsTheCountOfEnds) {
  RestartPolicy policy = NewPolicy();
  for (int i = 0; i < 4; ++i) {
    policy.OnExit("actor-0", ProcessRole::kActor, kKilled);
  }
  policy.OnProgress();
  const ExitDecision decision =
      policy.OnExit("actor-0", ProcessRole::kActor, kKilled);
  EXPECT_EQ(decision.action, ExitAction::kRestart);
  EXPECT_EQ(decision.delay, absl::Seconds(1));
}

TEST(RestartPolicyTest, ProcessesAreCountedApart) {
  RestartPolicy policy = NewPolicy();
  for (int i = 0; i < 4; ++i) {
    policy.OnExit("actor-0", ProcessRole::kActor, kKilled);
  }
  EXPECT_EQ(policy.OnExit("reward-0", ProcessRole::kReward, kKilled).delay,
            absl::Seconds(1));
}

TEST(RestartPolicyTest, TheJobEndsWithItsCoordinator) {
  RestartPolicy policy = NewPolicy();
  const ProcessRole role = ProcessRole::kCoordinator;
  EXPECT_EQ(policy.OnExit("x", role, kKilled).action, ExitAction::kStopAll);
  EXPECT_EQ(policy.OnExit("x", role, {.code = 1}).action, ExitAction::kStopAll);
  EXPECT_EQ(policy.OnExit("x", role, {.code = 0}).action, ExitAction::kForget);
}

TEST(RestartPolicyTest, ARefusalIsNotRetried) {
  RestartPolicy policy = NewPolicy();
  EXPECT_EQ(policy.OnExit("actor-0", ProcessRole::kActor, {.code = 78}).action,
            ExitAction::kStopAll);
}

TEST(RestartPolicyTest, OneThatEndedByItselfIsRestartedNotAtOnce) {
  for (ProcessRole role :
       {ProcessRole::kActor, ProcessRole::kReward, ProcessRole::kLearner}) {
    for (const int code : {0, 1}) {
      RestartPolicy policy = NewPolicy();
      for (int seconds : {3, 3, 4}) {
        const ExitDecision decision = policy.OnExit("x", role, {.code = code});
        EXPECT_EQ(decision.action, ExitAction::kRestart);
        EXPECT_EQ(decision.delay, absl::Seconds(seconds));
      }
    }
  }
}

TEST(RestartPolicyTest, EndsAreDescribedByCodeOrSignal) {
  EXPECT_EQ((ProcessExit{.code = 3}).Describe(), "exit code 3");
  EXPECT_EQ(kKilled.Describe(), "signal 9 (Killed)");
}

}  // namespace
}  // namespace aha::cli
