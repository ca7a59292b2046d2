// The protocol of the learner ranks, without members, time or a store.
#include "coordinator/rank_set.h"

#include "gmock/gmock.h"
#include "gtest/gtest.h"

namespace aha::coordinator {
namespace {

using ::testing::AllOf;
using ::testing::HasSubstr;
using Decision = RankSet::Decision;

constexpr RankSet::Situation kTrains{.stage = 0, .trains = true};
constexpr RankSet::Situation kPublishes{.stage = 1, .trains = false};

// Two ranks that run stage 0.
class RankSetTest : public ::testing::Test {
 protected:
  Decision Ask(uint32_t rank, const RankSet::Situation& now = kTrains) {
    const RankSet::Answer answer = ranks_.Ask(rank, now);
    if (answer.decision == Decision::kAssign) ranks_.Assign(rank, now.stage);
    return answer.decision;
  }
  void Begin() {
    ASSERT_EQ(Ask(0), Decision::kWait);
    ASSERT_EQ(Ask(1), Decision::kAssign);
    ASSERT_EQ(Ask(0), Decision::kAssign);
  }

  RankSet ranks_{{.ranks = 2, .max_breaks = 2}};
};

TEST_F(RankSetTest, AStageIsAssignedWhenAllRanksHaveAsked) {
  EXPECT_EQ(Ask(1), Decision::kWait);
  EXPECT_EQ(Ask(1), Decision::kWait) << "the same rank again is one rank";
  EXPECT_EQ(Ask(0), Decision::kAssign);
  EXPECT_TRUE(ranks_.IsAssigned(0, 0));
  EXPECT_FALSE(ranks_.IsAssigned(1, 0)) << "it is assigned when it asks again";
  EXPECT_EQ(Ask(1), Decision::kAssign);
}

TEST_F(RankSetTest, AnAssignmentEndsWithItsStageAndWithItsEpoch) {
  Begin();
  EXPECT_FALSE(ranks_.IsAssigned(0, 1));
  ranks_.Renew();
  EXPECT_FALSE(ranks_.IsAssigned(0, 0));
}

TEST_F(RankSetTest, ARankOtherThanZeroThatAsksAgainWaits) {
  Begin();
  EXPECT_EQ(Ask(1), Decision::kWait);
  EXPECT_TRUE(ranks_.IsAssigned(1, 0));
}

TEST_F(RankSetTest, RankZeroThatAsksAgainAfterAStepBeganRollsBack) {
  Begin();
  RankSet::Situation begun = kTrains;
  begun.step_begun = true;
  EXPECT_EQ(Ask(0, begun), Decision::kRollBack);
}

TEST_F(RankSetTest, RankZeroThatAsksAgainBeforeAStepGetsASetOfAnotherName) {
  Begin();
  const uint64_t epoch = ranks_.epoch();
  EXPECT_EQ(Ask(0), Decision::kWait);
  EXPECT_GT(ranks_.epoch(), epoch);
  EXPECT_EQ(Ask(1), Decision::kAssign);
}

TEST_F(RankSetTest, ASetThatBreaksTooOftenFailsAndSaysWhereAndWhy) {
  ranks_.KeepReport("learner-1: the network is down");
  Begin();
  EXPECT_EQ(Ask(0), Decision::kWait);
  EXPECT_EQ(Ask(1), Decision::kAssign);
  EXPECT_EQ(Ask(0), Decision::kAssign);
  EXPECT_EQ(Ask(0), Decision::kWait);
  EXPECT_EQ(Ask(1), Decision::kAssign);
  EXPECT_EQ(Ask(0), Decision::kAssign);
  EXPECT_EQ(Ask(0), Decision::kFailed);
  EXPECT_THAT(ranks_.FailureText("stage 0 (grpo) step 2"),
              AllOf(HasSubstr("broke 3 times without a new step, at stage 0 "
                              "(grpo) step 2"),
                    HasSubstr("before a step began"),
                    HasSubstr("the network is down")));
}

TEST_F(RankSetTest, ANewStepResetsTheCountOfBreaks) {
  EXPECT_FALSE(ranks_.CountBreak("a"));
  EXPECT_FALSE(ranks_.CountBreak("b"));
  ranks_.StepCommitted();
  EXPECT_FALSE(ranks_.CountBreak("c"));
  EXPECT_FALSE(ranks_.CountBreak("d"));
  EXPECT_TRUE(ranks_.CountBreak("e"));
}

TEST_F(RankSetTest, ARankWithoutAnAssignmentIsLostWithoutHarm) {
  EXPECT_FALSE(ranks_.Lose(1));
  Begin();
  EXPECT_TRUE(ranks_.Lose(1));
  EXPECT_FALSE(ranks_.Lose(1)) << "it is gone already";
}

TEST_F(RankSetTest, ALossThatNoCheckpointHoldsRollsBackAtTheNextStage) {
  Begin();
  ASSERT_TRUE(ranks_.Lose(1));
  RankSet::Situation next{.stage = 1, .trains = true};
  next.checkpoint_fits = false;
  ranks_.EnterStage();
  EXPECT_EQ(Ask(0, next), Decision::kRollBack);
}

TEST_F(RankSetTest, ALossThatACheckpointHoldsIsForgotten) {
  Begin();
  ASSERT_TRUE(ranks_.Lose(1));
  ranks_.EnterStage();
  RankSet::Situation next{.stage = 1, .trains = true};
  EXPECT_EQ(Ask(0, next), Decision::kWait);
  // The position has moved since, but what was lost is in a checkpoint.
  next.checkpoint_fits = false;
  EXPECT_EQ(Ask(1, next), Decision::kAssign);
}

TEST_F(RankSetTest, ARollbackIsANewSetAndGivesItsReasonBack) {
  Begin();
  ASSERT_TRUE(ranks_.Lose(1));
  const uint64_t epoch = ranks_.epoch();
  ranks_.BeginRollback("learner rank 1 left");
  EXPECT_TRUE(ranks_.rolling_back());
  EXPECT_GT(ranks_.epoch(), epoch);
  EXPECT_EQ(ranks_.EndRollback(), "learner rank 1 left");
  EXPECT_FALSE(ranks_.rolling_back());
  Begin();
}

TEST_F(RankSetTest, OnlyRankZeroPublishesAndOnlyOnce) {
  EXPECT_EQ(Ask(0, kPublishes), Decision::kAssign) << "it waits for no other";
  EXPECT_EQ(Ask(0, kPublishes), Decision::kAssign) << "nothing came yet";
  RankSet::Situation published = kPublishes;
  published.weights_there = true;
  EXPECT_EQ(Ask(0, published), Decision::kWait);
  EXPECT_EQ(Ask(1, published), Decision::kAssign);
  EXPECT_EQ(Ask(1, published), Decision::kWait);
}

}  // namespace
}  // namespace aha::coordinator
