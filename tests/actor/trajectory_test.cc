#include "actor/trajectory.h"

#include <cstring>

#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "tests/reward_service/messages.h"

namespace aha::actor {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;

v1::Lease GoodLease() {
  v1::Lease lease;
  lease.set_lease_id(3);
  *lease.mutable_group() = reward::Context(5, 4);
  lease.mutable_sampling()->set_temperature(0.5);
  lease.mutable_sampling()->set_top_p(0.9);
  lease.mutable_sampling()->set_top_k(7);
  lease.mutable_sampling()->set_max_completion_length(10);
  lease.set_reward_address("a:1");
  return lease;
}

TEST(TrajectoryTest, ALeaseBecomesAnEngineGroupWithTheKeyOfItsSlot) {
  ASSERT_TRUE(ValidateLease(GoodLease()).ok());
  const EngineGroup group = ToEngineGroup(GoodLease(), 77, 9);
  EXPECT_EQ(group.id, (GroupId{0, 3, 5}));
  EXPECT_EQ(group.policy, (WeightsId{0, 2}));
  EXPECT_EQ(group.request.id, 77u);
  EXPECT_EQ(group.request.key.seed, 9u);
  EXPECT_EQ(group.request.key.step, 3u);
  EXPECT_EQ(group.request.key.slot, 5u);
  EXPECT_EQ(group.request.num_samples, 4);
  EXPECT_THAT(group.request.prompt, ElementsAre(5));
  EXPECT_EQ(group.request.sampling.temperature, 0.5f);
  EXPECT_EQ(group.request.sampling.top_k, 7);
  EXPECT_EQ(group.request.sampling.max_new_tokens, 10);
}

TEST(TrajectoryTest, ABrokenLeaseIsRefusedByField) {
  v1::Lease lease = GoodLease();
  lease.mutable_group()->clear_policy();
  EXPECT_TRUE(absl::IsInvalidArgument(ValidateLease(lease)));
  lease = GoodLease();
  lease.mutable_group()->set_num_generations(0);
  EXPECT_THAT(std::string(ValidateLease(lease).message()),
              HasSubstr("num_generations"));
  lease = GoodLease();
  lease.clear_reward_address();
  EXPECT_THAT(std::string(ValidateLease(lease).message()),
              HasSubstr("reward_address"));
  lease = GoodLease();
  lease.mutable_sampling()->set_top_p(0);
  EXPECT_FALSE(ValidateLease(lease).ok());
}

TEST(TrajectoryTest, LogProbabilitiesTravelAsTheirBits) {
  Sample sample;
  sample.index = 2;
  sample.tokens = {4, 1};
  sample.logprobs = {-0.1f, -1e-30f};
  sample.finish_reason = FinishReason::kLength;
  const v1::Trajectory trajectory = ToTrajectory(sample, "text");
  EXPECT_EQ(trajectory.sample(), 2u);
  EXPECT_THAT(trajectory.token_ids(), ElementsAre(4, 1));
  ASSERT_EQ(trajectory.logprobs().size(), 8u);
  EXPECT_EQ(
      std::memcmp(trajectory.logprobs().data(), sample.logprobs.data(), 8), 0);
  EXPECT_EQ(trajectory.finish_reason(), v1::FINISH_REASON_LENGTH);
  EXPECT_EQ(trajectory.completion(), "text");
}

}  // namespace
}  // namespace aha::actor
