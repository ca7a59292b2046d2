#include "cli/restart_policy.h"

#include "gmock/gmock.h"
#include "gtest/gtest.h"

namespace aha::cli {
namespace {

using ::testing::HasSubstr;

constexpr ProcessExit kKilled{.code = 0, .signal = 9};

RestartPolicy NewPolicy() {
  return RestartPolicy({.first_delay = absl::Seconds(1),
                        .longest_delay = absl::Seconds(5),
                        .clean_delay = absl::Seconds(3),
                        .limit = 4});
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

TEST(RestartPolicyTest, AStepForgivesEarlierDeaths) {
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

TEST(RestartPolicyTest, TheJobEndsWithItsCoordinatorOrALearner) {
  RestartPolicy policy = NewPolicy();
  for (ProcessRole role : {ProcessRole::kCoordinator, ProcessRole::kLearner}) {
    EXPECT_EQ(policy.OnExit("x", role, kKilled).action, ExitAction::kStopAll);
    EXPECT_EQ(policy.OnExit("x", role, {.code = 1}).action,
              ExitAction::kStopAll);
    EXPECT_EQ(policy.OnExit("x", role, {.code = 0}).action,
              ExitAction::kForget);
  }
}

TEST(RestartPolicyTest, ARefusalIsNotRetried) {
  RestartPolicy policy = NewPolicy();
  EXPECT_EQ(policy.OnExit("actor-0", ProcessRole::kActor, {.code = 78}).action,
            ExitAction::kStopAll);
}

TEST(RestartPolicyTest, OneThatLeftWhileTheJobRunsIsRestartedNotAtOnce) {
  RestartPolicy policy = NewPolicy();
  for (ProcessRole role : {ProcessRole::kActor, ProcessRole::kReward}) {
    const ExitDecision decision = policy.OnExit("x", role, {.code = 0});
    EXPECT_EQ(decision.action, ExitAction::kRestart);
    EXPECT_EQ(decision.delay, absl::Seconds(3));
  }
}

TEST(RestartPolicyTest, EndsAreDescribedByCodeOrSignal) {
  EXPECT_EQ((ProcessExit{.code = 3}).Describe(), "exit code 3");
  EXPECT_EQ(kKilled.Describe(), "signal 9 (Killed)");
}

}  // namespace
}  // namespace aha::cli
