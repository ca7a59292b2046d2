// Two learner ranks: when a rank set of them begins, and what breaks it.
#include "coordinator/controller.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "tests/coordinator/controller_fixture.h"

namespace aha::coordinator {
namespace {

class TwoRanksTest : public ControllerTest {
 protected:
  TwoRanksTest() { plan_.learners = 2; }
  void EnterBoth() {
    ASSERT_EQ(NextStage(0), "wait");
    ASSERT_EQ(NextStage(1), "0/0@");
    ASSERT_EQ(NextStage(0), "0/0@");
  }
};

TEST_F(TwoRanksTest, AStageBeginsWhenAllRanksAreThere) {
  learners_[0] = Join(v1::ROLE_LEARNER, 0);
  EXPECT_EQ(NextStage(0), "wait");
  learners_[1] = Join(v1::ROLE_LEARNER, 1);
  EXPECT_EQ(NextStage(0), "wait") << "rank 1 has not asked";
  EXPECT_EQ(NextStage(1), "0/0@");
  EXPECT_EQ(NextStage(0), "0/0@");
  EXPECT_EQ(next_.learner_addresses_size(), 2);
  reward_ = Join(v1::ROLE_REWARD, 0);
  actor_ = Join(v1::ROLE_ACTOR, 0);
  ASSERT_TRUE(Publish({0, 0}).ok());
  const v1::LeaseGroupsResponse leased = Lease();
  ASSERT_EQ(leased.leases_size(), 2);
  EXPECT_EQ(leased.leases(1).group().consumer(), "learner:1");
}

TEST_F(TwoRanksTest, ARankThatIsAheadWaitsAndOneThatIsLostEndsTheRankSet) {
  JoinAll();
  EnterBoth();
  ASSERT_TRUE(Publish({0, 0}).ok());
  for (uint64_t step = 0; step < 2; ++step) ASSERT_TRUE(Step(0, step).ok());
  ASSERT_EQ(*BeginStep(0, 2), "GO");
  // Rank 1 has done the last step, rank 0 is about to commit it.
  EXPECT_EQ(NextStage(1), "wait");
  ASSERT_TRUE(Publish({0, 3}).ok());
  ASSERT_TRUE(controller_->CommitStep(CommitRequest(0, 2)).ok());
  EXPECT_EQ(NextStage(1), "wait");
  ASSERT_TRUE(Checkpoint(0, 3).ok());
  EXPECT_EQ(NextStage(0), "1/0@" + CheckpointName(0, 3));
}

TEST_F(TwoRanksTest, ARankSetThatBrokeGetsANewEpochAndGoesBack) {
  JoinAll();
  EnterBoth();
  const uint64_t set = next_.group_epoch();
  ASSERT_TRUE(Publish({0, 0}).ok());
  ASSERT_TRUE(Step(0, 0).ok());
  EXPECT_EQ(NextStage(1), "wait");
  EXPECT_EQ(NextStage(0), "wait") << "the checkpoint is looked for";
  EXPECT_EQ(NextStage(0), "wait");
  EXPECT_EQ(NextStage(1), "0/0@");
  EXPECT_GT(next_.group_epoch(), set);
  EXPECT_EQ(NextStage(0), "0/0@");
  ASSERT_TRUE(Publish({0, 0}).ok());
  EXPECT_TRUE(Step(0, 0).ok());
}

TEST_F(TwoRanksTest, WhileStoppingRankZeroSavesWithoutTheOthers) {
  JoinAll();
  EnterBoth();
  ASSERT_TRUE(Publish({0, 0}).ok());
  ASSERT_TRUE(Step(0, 0).ok());
  ASSERT_TRUE(controller_->Stop("an operator").ok());
  v1::LeaveRequest leave;
  leave.set_member_id(learners_[1]);
  leave.set_epoch(epoch_);
  ASSERT_TRUE(controller_->Leave(leave).ok());
  EXPECT_EQ(State(), v1::JOB_STATE_STOPPING);
  EXPECT_EQ(*BeginStep(0, 1), "STOP_AFTER_CHECKPOINT");
  ASSERT_TRUE(Checkpoint(0, 1).ok());
  EXPECT_EQ(State(), v1::JOB_STATE_STOPPED);
  EXPECT_EQ(Problem(), "an operator");
}

TEST_F(TwoRanksTest, NoRankSetIsPutTogetherWithARankThatDoesNotAsk) {
  JoinAll();
  EnterBoth();
  ASSERT_TRUE(Publish({0, 0}).ok());
  ASSERT_TRUE(Step(0, 0).ok());
  // Rank 1 was killed; rank 0 notices before the coordinator does.
  EXPECT_EQ(NextStage(0), "wait");
  now_ += absl::Seconds(3);
  learners_[1] = Join(v1::ROLE_LEARNER, 1, "second life");
  EXPECT_EQ(NextStage(0), "wait");
  EXPECT_EQ(NextStage(1), "0/0@");
  EXPECT_EQ(NextStage(0), "0/0@");
}

}  // namespace
}  // namespace aha::coordinator
