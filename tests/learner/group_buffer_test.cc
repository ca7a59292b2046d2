#include "learner/group_buffer.h"

#include <limits>
#include <thread>

#include "base/status.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "tests/learner/fixture.h"

namespace aha::learner {
namespace {

using ::testing::HasSubstr;

constexpr absl::Duration kPatient = absl::Seconds(60);

class GroupBufferTest : public testing::Test {
 protected:
  static void SetUpTestSuite() {
    shared_ = new Shared;
    shared_->job.mutable_stages(kGrpoStage)->mutable_grpo()->set_lag(1);
    shared_->setup = MakeSetup(shared_->job);
    shared_->state = FreshState(shared_->job, shared_->setup, &shared_->pool);
  }
  static void TearDownTestSuite() { delete shared_; }

  static GroupRules Rules() {
    GroupRules rules{.epoch = 1,
                     .stage = kGrpoStage,
                     .rank = 1,
                     .world_size = 2,
                     .slots = 4,
                     .num_generations = 3,
                     .lag = 1,
                     .steps = 4,
                     .max_prompt_length = 10,
                     .max_completion_length = 16,
                     .max_sequence_length = 64,
                     .reward_parts = 2};
    rules.vocab_size = static_cast<int32_t>(shared_->setup.config.vocab_size);
    return rules;
  }

  static v1::ScoredGroup Group(uint64_t step, uint32_t slot) {
    return MakeGroup(shared_->job, shared_->state->current(), step, slot);
  }

  // Delivers a group after `edit` and expects INVALID_ARGUMENT.
  std::string Refusal(const std::function<void(v1::ScoredGroup&)>& edit) {
    v1::ScoredGroup group = Group(1, 1);
    edit(group);
    const absl::Status status = buffer_.Deliver(group);
    EXPECT_TRUE(absl::IsInvalidArgument(status)) << status;
    return std::string(status.message());
  }

  struct Shared {
    v1::Job job = TinyJob();
    ModelSetup setup;
    ThreadPool pool{1};
    std::unique_ptr<ModelState> state;
  };
  static Shared* shared_;

  absl::Time now_ = absl::UnixEpoch();
  GroupBuffer buffer_{[this] { return now_; }};
};

GroupBufferTest::Shared* GroupBufferTest::shared_ = nullptr;

TEST_F(GroupBufferTest,
       AStepTakesItsGroupsInSlotOrderWhateverTheOrderOfArrival) {
  buffer_.Open(Rules(), 1);
  for (const auto& [step, slot] :
       {std::pair(2, 1), std::pair(1, 3), std::pair(1, 1)}) {
    EXPECT_TRUE(buffer_.Deliver(Group(step, slot)).ok());
  }
  const auto groups = buffer_.Await(kPatient);
  ASSERT_TRUE(groups.ok()) << groups.status();
  ASSERT_EQ(groups->size(), 2u);
  EXPECT_EQ((*groups)[0]->context().key().slot(), 1u);
  EXPECT_EQ((*groups)[1]->context().key().slot(), 3u);
  buffer_.Advance(2);
  EXPECT_EQ(buffer_.size(), 1u) << "the early group of step 2";
  EXPECT_EQ(buffer_.Missing(), "slots 3 of step 2");
}

TEST_F(GroupBufferTest, ASecondDeliveryOfTheSameBitsIsWelcomeOtherBitsAreNot) {
  buffer_.Open(Rules(), 1);
  v1::ScoredGroup group = Group(1, 1);
  EXPECT_TRUE(buffer_.Deliver(group).ok());
  EXPECT_TRUE(buffer_.Deliver(group).ok());
  EXPECT_EQ(buffer_.size(), 1u);
  group.mutable_trajectories(2)
      ->mutable_trajectory()
      ->mutable_logprobs()
      ->front() ^= 1;
  const absl::Status status = buffer_.Deliver(group);
  EXPECT_TRUE(absl::IsDataLoss(status)) << status;
  EXPECT_THAT(std::string(status.message()),
              HasSubstr("(stage 2, step 1, slot 1)"));
}

TEST_F(GroupBufferTest, EarlyIsUnavailableLateIsOver) {
  EXPECT_TRUE(absl::IsUnavailable(buffer_.Deliver(Group(1, 1)))) << "not open";
  buffer_.Open(Rules(), 1);
  EXPECT_TRUE(absl::IsUnavailable(buffer_.Deliver(Group(3, 1))));
  EXPECT_TRUE(absl::IsFailedPrecondition(buffer_.Deliver(Group(0, 1))));
  EXPECT_TRUE(absl::IsFailedPrecondition(buffer_.Deliver(Group(4, 1))));
  v1::ScoredGroup group = Group(1, 1);
  group.mutable_context()->set_epoch(0);
  EXPECT_TRUE(absl::IsFailedPrecondition(buffer_.Deliver(group)));
  group.mutable_context()->set_epoch(2);
  EXPECT_TRUE(absl::IsUnavailable(buffer_.Deliver(group)));
  buffer_.Close();
  EXPECT_TRUE(absl::IsUnavailable(buffer_.Deliver(Group(1, 1))));
}

TEST_F(GroupBufferTest, MissingSlotsAreNamedWhenPatienceEnds) {
  buffer_.Open(Rules(), 1);
  EXPECT_TRUE(buffer_.Deliver(Group(1, 1)).ok());
  const auto groups = buffer_.Await(absl::ZeroDuration());
  EXPECT_TRUE(absl::IsDeadlineExceeded(groups.status()));
  EXPECT_THAT(std::string(groups.status().message()),
              HasSubstr("for the groups of slots 3; nothing moved for 0"));
}

// Time passes with every look at the clock, so nothing here waits for real.
TEST_F(GroupBufferTest, ProgressOfTheClusterExtendsTheWait) {
  absl::Time now = absl::UnixEpoch();
  const auto ticking = [&now] { return now += absl::Milliseconds(1); };
  GroupBuffer buffer(ticking, /*ask_every=*/absl::Milliseconds(2));
  buffer.Open(Rules(), 1);
  uint64_t asked = 0;
  const auto progress = [&asked]() -> absl::StatusOr<uint64_t> {
    return std::min<uint64_t>(++asked, 100);
  };
  const absl::Status status =
      buffer.Await(absl::Milliseconds(50), progress).status();
  EXPECT_TRUE(absl::IsDeadlineExceeded(status)) << status;
  EXPECT_GT(asked, 100u) << "as long as the number grew";
  EXPECT_LT(asked, 150u) << "and not for ever";
}

TEST_F(GroupBufferTest, CloseWakesWaiters) {
  buffer_.Open(Rules(), 1);
  std::thread waiter(
      [&] { EXPECT_TRUE(absl::IsAborted(buffer_.Await(kPatient).status())); });
  buffer_.Close();
  waiter.join();
}

TEST_F(GroupBufferTest, GroupsSurviveAReopeningUnderTheSameRules) {
  buffer_.Open(Rules(), 1);
  EXPECT_TRUE(buffer_.Deliver(Group(1, 1)).ok());
  buffer_.Close();
  GroupRules rules = Rules();
  rules.epoch = 2;
  buffer_.Open(rules, 1);
  EXPECT_EQ(buffer_.size(), 1u);
  rules.world_size = 1;
  rules.rank = 0;
  buffer_.Open(rules, 1);
  EXPECT_EQ(buffer_.size(), 0u) << "other slots are mine now";
}

TEST_F(GroupBufferTest, MalformedGroupsAreRefusedWithFieldRuleAndValue) {
  buffer_.Open(Rules(), 1);
  const auto first = [](v1::ScoredGroup& group) -> v1::Trajectory& {
    return *group.mutable_trajectories(0)->mutable_trajectory();
  };
  EXPECT_THAT(
      Refusal([](auto& g) { g.mutable_context()->mutable_key()->set_slot(2); }),
      HasSubstr("consumer must be learner rank 0, is rank 1"));
  EXPECT_THAT(
      Refusal([](auto& g) { g.mutable_context()->mutable_key()->set_slot(4); }),
      HasSubstr("slot must be below 4, is 4"));
  EXPECT_THAT(Refusal([](auto& g) {
                g.mutable_context()->mutable_policy()->set_version(1);
              }),
              HasSubstr("policy must be version 0"));
  EXPECT_THAT(Refusal([](auto& g) { g.mutable_trajectories()->RemoveLast(); }),
              HasSubstr("number of trajectories must be 3, is 2"));
  EXPECT_THAT(
      Refusal([](auto& g) { g.mutable_context()->clear_prompt_token_ids(); }),
      HasSubstr("prompt_token_ids must be from 1 to 10, is 0"));
  EXPECT_THAT(Refusal([&](auto& g) { first(g).set_token_ids(0, 999); }),
              HasSubstr("token_ids must be from 0 to"));
  EXPECT_THAT(Refusal([&](auto& g) { first(g).set_token_ids(0, -1); }),
              HasSubstr("is -1"));
  EXPECT_THAT(
      Refusal([&](auto& g) { first(g).mutable_logprobs()->pop_back(); }),
      HasSubstr("logprobs must be"));
  EXPECT_THAT(Refusal([&](auto& g) {
                const float nan = std::numeric_limits<float>::quiet_NaN();
                first(g).mutable_logprobs()->replace(
                    0, sizeof(nan), reinterpret_cast<const char*>(&nan),
                    sizeof(nan));
              }),
              HasSubstr("finite"));
  EXPECT_THAT(Refusal([&](auto& g) { first(g).set_sample(1); }),
              HasSubstr("sample must be 0, is 1"));
  EXPECT_THAT(Refusal([&](auto& g) {
                first(g).set_finish_reason(v1::FINISH_REASON_UNSPECIFIED);
              }),
              HasSubstr("STOP or LENGTH"));
  EXPECT_THAT(Refusal([&](auto& g) {
                while (first(g).token_ids_size() < 17)
                  first(g).add_token_ids(1);
              }),
              HasSubstr("from 1 to 16, is 17"));
  EXPECT_THAT(Refusal([](auto& g) {
                g.mutable_trajectories(1)->set_reward(
                    std::numeric_limits<double>::infinity());
              }),
              HasSubstr("reward must be finite"));
  EXPECT_THAT(Refusal([](auto& g) {
                g.mutable_trajectories(1)->mutable_parts()->RemoveLast();
              }),
              HasSubstr("parts must be 2, is 1"));
  EXPECT_EQ(buffer_.size(), 0u);
}

TEST_F(GroupBufferTest, EveryGroupThatComesBuysTheOthersTime) {
  // A second passes at each look at it; three a round of Await.
  absl::Time now = absl::UnixEpoch();
  GroupBuffer buffer([&now] { return now += absl::Seconds(1); },
                     /*ask_every=*/absl::Seconds(1));
  buffer.Open(Rules(), 1);
  int round = 0;
  const auto progress = [&]() -> absl::StatusOr<uint64_t> {
    ++round;
    if (round == 1) AHA_RETURN_IF_ERROR(buffer.Deliver(Group(1, 1)));
    if (round == 4) AHA_RETURN_IF_ERROR(buffer.Deliver(Group(1, 3)));
    return 0;
  };
  const auto groups = buffer.Await(absl::Seconds(10), progress);
  ASSERT_TRUE(groups.ok()) << groups.status();
  EXPECT_EQ(groups->size(), 2u);
}

}  // namespace
}  // namespace aha::learner
