// What is missing and for how long, without a job.
#include "coordinator/wait_monitor.h"

#include "gmock/gmock.h"
#include "gtest/gtest.h"

namespace aha::coordinator {
namespace {

using ::testing::AllOf;
using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;

// Everything is there, and the stage samples.
WaitFacts AllThere() {
  return {.samples = true,
          .groups_to_sample = 3,
          .actors = 1,
          .reward_replicas = 1};
}

class WaitMonitorTest : public ::testing::Test {
 protected:
  std::vector<std::string> Missing(const WaitFacts& facts) const {
    std::vector<std::string> names;
    for (const Wait& wait : waits_.Missing(facts)) names.push_back(wait.what);
    return names;
  }
  // After `seconds` more.
  std::optional<std::string> Check(int seconds, const WaitFacts& facts) {
    now_ += absl::Seconds(seconds);
    return waits_.Check(now_, waits_.Missing(facts));
  }
  bool Stalls(int seconds, bool watched = true) {
    now_ += absl::Seconds(seconds);
    return waits_.CheckMovement(now_, watched);
  }

  metrics::Registry metrics_{"test"};
  metrics::Counter seconds_ =
      metrics_.AddCounter("aha_wait_seconds_total", "Seconds.");
  absl::Time now_ = absl::UnixEpoch();
  WaitMonitor waits_{absl::Seconds(100), {{"actors", seconds_}}, now_};
};

TEST_F(WaitMonitorTest, NothingIsMissingWhereAllIsThere) {
  EXPECT_THAT(Missing(AllThere()), IsEmpty());
}

TEST_F(WaitMonitorTest, WhatIsMissingIsNamedInTheOrderInWhichPeopleLook) {
  WaitFacts facts{.missing_learners = "learner rank 0 (of 1)",
                  .samples = true,
                  .groups_to_sample = 3,
                  .missing_weights = "rank 0 to publish"};
  EXPECT_THAT(Missing(facts),
              ElementsAre("learners", "reward_replicas", "actors"));
  facts.missing_learners = "";
  facts.actors = 1;
  EXPECT_THAT(Missing(facts), ElementsAre("reward_replicas", "weights"));
}

TEST_F(WaitMonitorTest, NoActorIsMissingWithoutAGroupToSample) {
  WaitFacts facts = AllThere();
  facts.actors = 0;
  facts.groups_to_sample = 0;
  EXPECT_THAT(Missing(facts), IsEmpty());
}

TEST_F(WaitMonitorTest, LearnersThatAreDoneAreNotMissed) {
  WaitFacts facts = AllThere();
  facts.missing_learners = "learner rank 0 (of 1)";
  facts.learners_done = true;
  EXPECT_THAT(Missing(facts), IsEmpty());
}

TEST_F(WaitMonitorTest, DuringARollbackOnlyTheCheckpointIsMissing) {
  WaitFacts facts{.rolling_back = true,
                  .missing_learners = "learner rank 0 (of 1)"};
  waits_.NoteStore(absl::UnavailableError("coordinator.db: disk full"));
  EXPECT_THAT(Missing(facts), ElementsAre("checkpoint"));
}

TEST_F(WaitMonitorTest, WhatIsMissingForLongerThanTheLimitFailsTheJob) {
  WaitFacts facts = AllThere();
  facts.actors = 0;
  EXPECT_EQ(Check(0, facts), std::nullopt);
  EXPECT_EQ(Check(100, facts), std::nullopt) << "not longer than the limit";
  const auto why = Check(1, facts);
  ASSERT_TRUE(why.has_value());
  EXPECT_THAT(*why, AllOf(HasSubstr("waited 1m40s for an actor (3 groups"),
                          HasSubstr("cluster.wait_seconds")));
}

TEST_F(WaitMonitorTest, WhatComesAndGoesIsWaitedForAgain) {
  WaitFacts facts = AllThere();
  facts.actors = 0;
  EXPECT_EQ(Check(0, facts), std::nullopt);
  EXPECT_EQ(Check(90, facts), std::nullopt);
  EXPECT_EQ(Check(1, AllThere()), std::nullopt);
  EXPECT_EQ(Check(1, facts), std::nullopt);
  EXPECT_EQ(Check(100, facts), std::nullopt);
}

TEST_F(WaitMonitorTest, EachWaitHasItsOwnTime) {
  WaitFacts facts = AllThere();
  facts.actors = 0;
  EXPECT_EQ(Check(0, facts), std::nullopt);
  facts.actors = 1;
  facts.reward_replicas = 0;
  EXPECT_EQ(Check(90, facts), std::nullopt);
  EXPECT_EQ(Check(90, facts), std::nullopt);
}

TEST_F(WaitMonitorTest, WaitedSecondsAreCounted) {
  WaitFacts facts = AllThere();
  facts.actors = 0;
  Check(2, facts);
  Check(3, facts);
  EXPECT_EQ(seconds_.Value(), 5);
  Check(7, AllThere());
  EXPECT_EQ(seconds_.Value(), 5);
}

TEST_F(WaitMonitorTest, ASkippedTimeIsNoWait) {
  WaitFacts facts = AllThere();
  facts.actors = 0;
  Check(2, facts);
  now_ += absl::Seconds(500);
  waits_.Skip(now_);
  EXPECT_EQ(Check(1, facts), std::nullopt);
  EXPECT_EQ(seconds_.Value(), 3);
}

TEST_F(WaitMonitorTest, AnotherStageBeginsAllWaitsAgain) {
  WaitFacts facts = AllThere();
  facts.actors = 0;
  EXPECT_EQ(Check(0, facts), std::nullopt);
  EXPECT_EQ(Check(90, facts), std::nullopt);
  waits_.Restart();
  EXPECT_EQ(Check(90, facts), std::nullopt);
}

TEST_F(WaitMonitorTest, AStoreThatTakesNothingIsMissingUntilItDoes) {
  EXPECT_TRUE(waits_.NoteStore(absl::UnavailableError("db: disk full")));
  EXPECT_FALSE(waits_.NoteStore(absl::UnavailableError("db: disk full")))
      << "it is known already";
  EXPECT_THAT(Missing(AllThere()), ElementsAre("disk"));
  EXPECT_THAT(waits_.Missing(AllThere())[0].text, HasSubstr("db: disk full"));
  EXPECT_FALSE(waits_.NoteStore(absl::OkStatus()));
  EXPECT_THAT(Missing(AllThere()), IsEmpty());
}

TEST_F(WaitMonitorTest, AStoreErrorThatIsFinalIsNotWaitedFor) {
  EXPECT_FALSE(waits_.NoteStore(absl::DataLossError("other bits")));
  EXPECT_THAT(Missing(AllThere()), IsEmpty());
}

TEST_F(WaitMonitorTest, NoMovementForLongerThanTheLimitIsAStall) {
  EXPECT_FALSE(Stalls(0));
  EXPECT_FALSE(Stalls(100));
  EXPECT_TRUE(Stalls(1));
}

TEST_F(WaitMonitorTest, AnyProgressIsMovement) {
  EXPECT_FALSE(Stalls(0));
  EXPECT_FALSE(Stalls(90));
  waits_.AddProgress();
  EXPECT_FALSE(Stalls(90));
  EXPECT_FALSE(Stalls(90));
  EXPECT_TRUE(Stalls(20));
}

TEST_F(WaitMonitorTest, TimeThatIsNotWatchedIsNoStall) {
  EXPECT_FALSE(Stalls(0));
  EXPECT_FALSE(Stalls(200, /*watched=*/false));
  EXPECT_FALSE(Stalls(1));
  EXPECT_FALSE(Stalls(100));
}

}  // namespace
}  // namespace aha::coordinator
