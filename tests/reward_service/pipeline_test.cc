#include "reward_service/pipeline.h"

#include <map>
#include <utility>

#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "tests/reward_service/messages.h"

namespace aha::reward {
namespace {

using ::testing::HasSubstr;

class Inbox : public Outbox {
 public:
  void Send(StreamId stream, const v1::SubmitResponse& response) override {
    if (response.has_ack()) {
      acks[stream].push_back(response.ack());
    } else {
      credit[stream] += response.credit_bytes();
    }
  }
  std::map<StreamId, std::vector<v1::GroupAck>> acks;
  std::map<StreamId, uint64_t> credit;
};

// Holds deliveries until the test answers them.
class HeldForwarder : public Forwarder {
 public:
  struct Item {
    std::shared_ptr<const v1::DeliverRequest> message;
    std::function<bool()> wanted;
    std::function<void(absl::Status)> done;
  };
  void Deliver(std::shared_ptr<const v1::DeliverRequest> message,
               std::function<bool()> wanted,
               std::function<void(absl::Status)> done) override {
    items.push_back({std::move(message), std::move(wanted), std::move(done)});
  }
  std::vector<Item> items;
};

// Workers run immediately on the caller's thread.
class PipelineTest : public ::testing::Test {
 protected:
  PipelineTest() { Make({}); }

  void Make(PipelineOptions options) {
    pipeline_ = std::make_unique<Pipeline>(
        options,
        Pipeline::Parts{
            .executor = [](const std::function<void()>& task) { task(); },
            .forwarder = &forwarder_,
            .outbox = &inbox_,
            .clock = [this] { return now_; },
            .stats = {.infra_error = [this](const absl::Status&) { ++infra_; },
                      .refused = [this](const absl::Status&) { ++refused_; }}});
    pipeline_->SetScorer(Immediate(
        [this](const Completion& completion) { return Judge(completion); }));
    pipeline_->SetEpoch(7);
    pipeline_->Connect(1);
  }

  absl::StatusOr<Score> Judge(const Completion& completion) {
    if (!scorer_error_.ok()) return scorer_error_;
    return Score{.reward = completion.text == completion.reference ? 1.0 : 0,
                 .parts = {}};
  }

  void Open(StreamId stream, const v1::GroupContext& context) {
    EXPECT_TRUE(pipeline_->Receive(stream, OpenRequest(context)).ok());
  }
  void Submit(StreamId stream, uint32_t slot, const v1::Trajectory& t) {
    EXPECT_TRUE(
        pipeline_->Receive(stream, TrajectoryRequest(Key(slot), t)).ok());
  }
  int LastCode(StreamId stream) {
    return inbox_.acks[stream].empty() ? -1 : inbox_.acks[stream].back().code();
  }
  static int Code(absl::StatusCode code) { return static_cast<int>(code); }

  absl::Time now_ = absl::UnixEpoch();
  absl::Status scorer_error_;
  int infra_ = 0;
  int refused_ = 0;
  Inbox inbox_;
  HeldForwarder forwarder_;
  std::unique_ptr<Pipeline> pipeline_;
};

TEST_F(PipelineTest, AWholeGroupIsScoredDeliveredAndThenAcknowledged) {
  Open(1, Context(0, 2));
  Submit(1, 0, TrajectoryOf(0, "2"));
  Submit(1, 0, TrajectoryOf(1, "3"));
  ASSERT_EQ(forwarder_.items.size(), 1u);
  const v1::ScoredGroup& group = forwarder_.items[0].message->group();
  EXPECT_EQ(group.trajectories(0).reward(), 1);
  EXPECT_EQ(group.trajectories(1).reward(), 0);
  EXPECT_TRUE(inbox_.acks[1].empty());
  forwarder_.items[0].done(absl::OkStatus());
  EXPECT_EQ(LastCode(1), 0);
  EXPECT_EQ(pipeline_->pending_bytes(), 0u);
}

TEST_F(PipelineTest, TheConsumersRefusalReachesTheSender) {
  Open(1, Context(0, 1));
  Submit(1, 0, TrajectoryOf(0));
  forwarder_.items[0].done(absl::FailedPreconditionError("step is over"));
  EXPECT_EQ(LastCode(1), Code(absl::StatusCode::kFailedPrecondition));
  EXPECT_EQ(inbox_.acks[1].back().message(), "step is over");
}

TEST_F(PipelineTest, AFailureToScoreIsUnavailableAndNeverAReward) {
  scorer_error_ = absl::InternalError("the sandbox broke");
  Open(1, Context(0, 1));
  Submit(1, 0, TrajectoryOf(0));
  EXPECT_TRUE(forwarder_.items.empty());
  EXPECT_EQ(LastCode(1), Code(absl::StatusCode::kUnavailable));
  EXPECT_EQ(infra_, 1);
  // When it is sent again, it is scored.
  scorer_error_ = absl::OkStatus();
  Open(1, Context(0, 1));
  Submit(1, 0, TrajectoryOf(0));
  EXPECT_EQ(forwarder_.items.size(), 1u);
}

TEST_F(PipelineTest, ContradictingTrajectoriesAreDataLossOnEveryStream) {
  pipeline_->Connect(2);
  Open(1, Context(0, 2));
  Open(2, Context(0, 2));
  Submit(1, 0, TrajectoryOf(0, "2"));
  Submit(2, 0, TrajectoryOf(0, "3"));
  EXPECT_EQ(LastCode(1), Code(absl::StatusCode::kDataLoss));
  EXPECT_EQ(LastCode(2), Code(absl::StatusCode::kDataLoss));
  EXPECT_EQ(refused_, 1);
}

TEST_F(PipelineTest, AMalformedTrajectoryGivesTheGroupUp) {
  Open(1, Context(0, 1));
  v1::Trajectory bad = TrajectoryOf(0);
  bad.clear_logprobs();
  Submit(1, 0, bad);
  EXPECT_EQ(LastCode(1), Code(absl::StatusCode::kInvalidArgument));
  EXPECT_THAT(inbox_.acks[1].back().message(), HasSubstr("logprobs"));
}

TEST_F(PipelineTest, LateTrajectoriesOfAGroupThatWasGivenUpAreIgnored) {
  Open(1, Context(0, 2));
  v1::Trajectory bad = TrajectoryOf(0);
  bad.clear_logprobs();
  Submit(1, 0, bad);
  Submit(1, 0, TrajectoryOf(1));
  EXPECT_EQ(inbox_.acks[1].size(), 1u);
}

TEST_F(PipelineTest, ATrajectoryOfAGroupNeverOpenedIsRefused) {
  Submit(1, 5, TrajectoryOf(0));
  EXPECT_EQ(LastCode(1), Code(absl::StatusCode::kInvalidArgument));
}

TEST_F(PipelineTest, GroupsOfEarlierEpochsAreRefusedAndLaterOnesMakeItRejoin) {
  int rejoins = 0;
  pipeline_->SetOnNewerEpoch([&] { ++rejoins; });
  v1::GroupContext context = Context(0, 1);
  context.set_epoch(6);
  Open(1, context);
  EXPECT_EQ(LastCode(1), Code(absl::StatusCode::kFailedPrecondition));
  EXPECT_EQ(rejoins, 0);
  context.set_epoch(8);
  Open(1, context);
  EXPECT_EQ(LastCode(1), Code(absl::StatusCode::kUnavailable));
  EXPECT_EQ(rejoins, 1);
}

TEST_F(PipelineTest, ANewEpochGivesUpWhatIsHeldOfTheOldOne) {
  Open(1, Context(0, 2));
  Open(1, Context(1, 1));
  Submit(1, 1, TrajectoryOf(0));
  pipeline_->SetEpoch(8);
  EXPECT_EQ(inbox_.acks[1].size(), 2u);
  EXPECT_EQ(LastCode(1), Code(absl::StatusCode::kFailedPrecondition));
  EXPECT_FALSE(forwarder_.items[0].wanted());
  forwarder_.items[0].done(absl::OkStatus());
  EXPECT_EQ(inbox_.acks[1].size(), 2u);
}

TEST_F(PipelineTest, AnotherStreamCompletesAGroupAndGetsTheAck) {
  Open(1, Context(0, 2));
  Submit(1, 0, TrajectoryOf(0));
  pipeline_->Disconnect(1);
  pipeline_->Connect(2);
  Open(2, Context(0, 2));
  Submit(2, 0, TrajectoryOf(0));  // Everything is sent again.
  Submit(2, 0, TrajectoryOf(1));
  ASSERT_EQ(forwarder_.items.size(), 1u);
  forwarder_.items[0].done(absl::OkStatus());
  EXPECT_EQ(LastCode(2), 0);
  EXPECT_TRUE(inbox_.acks[1].empty());
}

TEST_F(PipelineTest, CreditComesBackForEveryByteOnceItIsScored) {
  const uint64_t initial = inbox_.credit[1];
  EXPECT_EQ(initial, PipelineOptions{}.initial_credit);
  uint64_t sent = 0;
  Open(1, Context(0, 2));
  sent += OpenRequest(Context(0, 2)).ByteSizeLong();
  for (uint32_t i = 0; i < 2; ++i) {
    Submit(1, 0, TrajectoryOf(i));
    sent += TrajectoryRequest(Key(0), TrajectoryOf(i)).ByteSizeLong();
  }
  EXPECT_EQ(inbox_.credit[1], initial + sent);
}

TEST_F(PipelineTest, AConsumerThatIsAwayHoldsTheSenderBack) {
  Make({.initial_credit = 1000, .max_bytes = 150});
  const uint64_t before = inbox_.credit[1];
  for (uint32_t slot = 0; slot < 4; ++slot) {
    Open(1, Context(slot, 1));
    Submit(1, slot, TrajectoryOf(0));
  }
  const uint64_t held = inbox_.credit[1];
  EXPECT_LT(held - before, 4 * Context(0, 1).ByteSizeLong());
  ASSERT_EQ(forwarder_.items.size(), 4u);
  for (HeldForwarder::Item& item : forwarder_.items) {
    item.done(absl::OkStatus());
  }
  EXPECT_GT(inbox_.credit[1], held);
  EXPECT_EQ(pipeline_->pending_bytes(), 0u);
}

TEST_F(PipelineTest, ASenderWithoutCreditIsCutOff) {
  Make({.initial_credit = 10, .max_bytes = 1});
  EXPECT_TRUE(pipeline_->Receive(1, OpenRequest(Context(0, 1))).ok());
  const absl::Status status = pipeline_->Receive(1, OpenRequest(Context(1, 1)));
  EXPECT_TRUE(absl::IsResourceExhausted(status)) << status;
}

TEST_F(PipelineTest, PartialGroupsThatStayIncompleteAreForgotten) {
  Make({.partial_ttl = absl::Seconds(60)});
  Open(1, Context(0, 2));
  Submit(1, 0, TrajectoryOf(0));
  pipeline_->Disconnect(1);
  pipeline_->Tick();
  EXPECT_GT(pipeline_->pending_bytes(), 0u);
  now_ += absl::Seconds(61);
  pipeline_->Tick();
  EXPECT_EQ(pipeline_->pending_bytes(), 0u);
}

TEST_F(PipelineTest, AStalePartialGroupOfALiveStreamIsReturnedToItsActor) {
  Make({.partial_ttl = absl::Seconds(60)});
  Open(1, Context(0, 2));
  Submit(1, 0, TrajectoryOf(0));
  now_ += absl::Seconds(61);
  pipeline_->Tick();
  EXPECT_EQ(pipeline_->pending_bytes(), 0u);
  EXPECT_EQ(LastCode(1), static_cast<int>(absl::StatusCode::kUnavailable));
  // A late trajectory is not an offence, and a second attempt succeeds.
  Submit(1, 0, TrajectoryOf(1));
  EXPECT_EQ(inbox_.acks[1].size(), 1u);
  Open(1, Context(0, 2));
  for (uint32_t i = 0; i < 2; ++i) Submit(1, 0, TrajectoryOf(i));
  EXPECT_EQ(forwarder_.items.size(), 1u);
}

TEST_F(PipelineTest, ARestartedConsumersGroupIsDeliveredToItsNewAddress) {
  Open(1, Context(0, 1, "old:1"));
  Submit(1, 0, TrajectoryOf(0));
  Open(1, Context(0, 1, "new:1"));
  ASSERT_EQ(forwarder_.items.size(), 2u);
  EXPECT_FALSE(forwarder_.items[0].wanted());
  EXPECT_TRUE(forwarder_.items[1].wanted());
  forwarder_.items[0].done(absl::CancelledError("given up"));
  EXPECT_TRUE(inbox_.acks[1].empty());
  forwarder_.items[1].done(absl::OkStatus());
  EXPECT_EQ(LastCode(1), 0);
}

}  // namespace
}  // namespace aha::reward
