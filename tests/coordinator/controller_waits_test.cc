// Waits that last too long: the eval stage, which has no learner to do it.
#include "coordinator/controller.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "tests/coordinator/controller_fixture.h"

namespace aha::coordinator {
namespace {

using ::testing::AllOf;
using ::testing::Contains;
using ::testing::HasSubstr;

// Two prompts to evaluate; cluster.wait_seconds is 100.
class EvalTest : public ControllerTest {
 protected:
  EvalTest() { plan_.stages.erase(plan_.stages.begin()); }
  void SetUp() override {
    Start();
    JoinAll();
    ASSERT_EQ(NextStage(), "0/0@");
    ASSERT_TRUE(Publish({0, 0}).ok());
  }
  // All members say that they live; the actor says what it did and waits for.
  void Beat(uint64_t sampled, const v1::LeaseGroupsResponse& held,
            const std::string& waiting_for = "") {
    v1::HeartbeatRequest request;
    request.set_epoch(epoch_);
    for (const uint64_t id : {learners_[0], reward_}) {
      request.set_member_id(id);
      ASSERT_TRUE(controller_->Heartbeat(request).ok());
    }
    request.set_member_id(actor_);
    request.set_progress(sampled);
    request.set_waiting_for(waiting_for);
    for (const v1::Lease& lease : held.leases()) {
      request.add_lease_ids(lease.lease_id());
    }
    ASSERT_TRUE(controller_->Heartbeat(request).ok());
  }
};

TEST_F(EvalTest, GroupsThatNeverArriveFailTheJobNamingTheirHolders) {
  const v1::LeaseGroupsResponse held = Lease(1);
  for (int i = 0; i < 20; ++i) {
    ASSERT_EQ(State(), v1::JOB_STATE_RUNNING) << i;
    for (int second = 0; second < 5; ++second) Pass(absl::Seconds(1));
    Beat(64, held, "reward replica reward-0 at reward:0");
  }
  for (int second = 0; second < 10; ++second) Pass(absl::Seconds(1));
  EXPECT_EQ(State(), v1::JOB_STATE_FAILED);
  EXPECT_THAT(Problem(),
              AllOf(HasSubstr("eval stage 0 (after): nothing moved for 1m40s"),
                    HasSubstr("0 of 2 groups arrived"),
                    HasSubstr("actor-0 has slot 0 and waits for reward replica "
                              "reward-0 at reward:0"),
                    HasSubstr("1 groups are leased to no actor")));
}

TEST_F(EvalTest, ProgressOfAnyKindExtendsTheWait) {
  const v1::LeaseGroupsResponse held = Lease();
  ASSERT_EQ(held.leases_size(), 2);
  const auto pass_almost = [&](uint64_t sampled) {
    for (int i = 0; i < 9; ++i) {
      Pass(absl::Seconds(10));
      Beat(sampled, held);
    }
  };
  pass_almost(1);
  pass_almost(2);  // A token was sampled.
  controller_->PieceSent();
  pass_almost(2);
  ASSERT_TRUE(controller_->Deliver(Scored(held.leases(0).group(), 1)).ok());
  pass_almost(2);
  EXPECT_EQ(State(), v1::JOB_STATE_RUNNING);
  // The same group again moves nothing.
  ASSERT_TRUE(controller_->Deliver(Scored(held.leases(0).group(), 1)).ok());
  pass_almost(2);
  EXPECT_EQ(State(), v1::JOB_STATE_FAILED);
}

TEST_F(ControllerTest, ALearnerThatIsStillCertifyingIsNamedAsRegistered) {
  v1::RegisterRequest request;
  request.set_role(v1::ROLE_LEARNER);
  request.set_name("learner-0");
  request.set_incarnation("i");
  request.set_address("learner:0");
  ASSERT_TRUE(controller_->Register(request).ok());
  EXPECT_THAT(controller_->Status().waits(),
              Contains(HasSubstr("learner rank 0 (of 1; rank 0 is registered "
                                 "and makes its certificate)")));
}

TEST_F(EvalTest, APauseIsNoWait) {
  const v1::LeaseGroupsResponse held = Lease();
  const auto pass = [&] {
    for (int i = 0; i < 9; ++i) {
      Pass(absl::Seconds(10));
      Beat(0, held);
    }
  };
  ASSERT_TRUE(controller_->Pause().ok());
  pass();
  pass();
  ASSERT_TRUE(controller_->Resume().ok());
  pass();
  EXPECT_EQ(State(), v1::JOB_STATE_RUNNING);
}

}  // namespace
}  // namespace aha::coordinator
