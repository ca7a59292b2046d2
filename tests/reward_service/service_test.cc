// Runs the real service and forwarder over loopback between a scripted sender
// and a fake consumer.
#include "reward_service/service.h"

#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "absl/time/clock.h"
#include "aha/v1/reward.grpc.pb.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "rpc/client.h"
#include "rpc/server.h"
#include "tests/reward_service/fake_sink.h"
#include "tests/reward_service/messages.h"
#include "tests/reward_service/replica.h"

namespace aha::reward {
namespace {

using Stream = rpc::BidiStream<v1::SubmitRequest, v1::SubmitResponse>;

class RewardServiceTest : public ::testing::Test {
 protected:
  RewardServiceTest() { Start({}); }
  ~RewardServiceTest() override { sink_.Hold(false); }

  void Start(PipelineOptions options) {
    replica_ = std::make_unique<Replica>(options);
    client_ = *rpc::Client::New({.address = replica_->address()});
  }

  std::unique_ptr<Stream> Connect() {
    return client_->Open(&v1::Reward::Stub::Submit);
  }
  v1::GroupContext ContextFor(uint32_t slot, uint32_t generations) {
    return Context(slot, generations, sink_server_->address());
  }
  static void Write(Stream& stream, const v1::SubmitRequest& request) {
    EXPECT_TRUE(stream.Write(request).ok());
  }
  void WriteGroup(Stream& stream, uint32_t slot, uint32_t generations) {
    Write(stream, OpenRequest(ContextFor(slot, generations)));
    for (uint32_t i = 0; i < generations; ++i) {
      Write(stream, TrajectoryRequest(Key(slot), TrajectoryOf(i)));
    }
  }
  static v1::GroupAck ReadAck(Stream& stream) {
    v1::SubmitResponse response;
    for (;;) {
      const absl::StatusOr<bool> more = stream.Read(&response);
      EXPECT_TRUE(more.ok() && *more) << more.status();
      if (!more.ok() || !*more || response.has_ack()) return response.ack();
    }
  }

  FakeSink sink_;
  std::unique_ptr<rpc::Server> sink_server_ = *rpc::Server::Start({}, {&sink_});
  std::unique_ptr<Replica> replica_;
  std::unique_ptr<rpc::Client> client_;
};

TEST_F(RewardServiceTest, AWholeGroupReachesItsConsumerAndIsAcknowledged) {
  const auto stream = Connect();
  WriteGroup(*stream, 0, 3);
  const v1::GroupAck ack = ReadAck(*stream);
  EXPECT_EQ(ack.code(), 0) << ack.message();
  ASSERT_EQ(sink_.groups().size(), 1u);
  EXPECT_EQ(sink_.groups()[0].trajectories_size(), 3);
  EXPECT_EQ(sink_.groups()[0].trajectories(2).reward(), 1);
}

TEST_F(RewardServiceTest, RetriesAConsumerUntilItIsReady) {
  for (int i = 0; i < 3; ++i) sink_.Answer(absl::UnavailableError("not yet"));
  const auto stream = Connect();
  WriteGroup(*stream, 0, 1);
  EXPECT_EQ(ReadAck(*stream).code(), 0);
  EXPECT_EQ(sink_.calls(), 4);
}

TEST_F(RewardServiceTest, AGroupNotWantedYetDoesNotBlockTheOneBehindIt) {
  replica_->forwarder().SetPatience(absl::Hours(1));
  sink_.Answer(absl::UnavailableError("a later step"));
  sink_.Answer(absl::OkStatus());
  const auto stream = Connect();
  WriteGroup(*stream, 0, 1);
  WriteGroup(*stream, 1, 1);
  EXPECT_EQ(ReadAck(*stream).code(), 0);
  EXPECT_EQ(ReadAck(*stream).code(), 0);
}

TEST_F(RewardServiceTest, AConsumerThatStaysAwayMakesTheGroupUnavailable) {
  replica_->forwarder().SetPatience(absl::ZeroDuration());
  sink_.Answer(absl::UnavailableError("not yet"));
  const auto stream = Connect();
  WriteGroup(*stream, 0, 1);
  const v1::GroupAck ack = ReadAck(*stream);
  EXPECT_EQ(ack.code(), static_cast<int>(absl::StatusCode::kUnavailable));
  EXPECT_EQ(replica_->pipeline().pending_bytes(), 0u);
}

// A learner that was restarted serves at another address.
TEST(ConsumerForwarderTest, AnIdleLaneEndsAndReturnsWhenNeeded) {
  FakeSink sink;
  const auto server = *rpc::Server::Start({}, {&sink});
  ConsumerForwarder forwarder({.idle = absl::ZeroDuration()});
  Mutex mutex;
  CondVar changed;
  std::vector<absl::Status> done;
  for (size_t i = 1; i <= 20; ++i) {
    auto message = std::make_shared<v1::DeliverRequest>();
    *message->mutable_group()->mutable_context() =
        Context(0, 1, server->address());
    forwarder.Deliver(
        message, [] { return true; },
        [&](absl::Status status) {
          MutexLock lock(mutex);
          done.push_back(std::move(status));
          changed.NotifyAll();
        });
    MutexLock lock(mutex);
    while (done.size() < i) changed.Wait(mutex);
    EXPECT_TRUE(done.back().ok()) << done.back();
  }
  EXPECT_EQ(sink.calls(), 20);
  while (forwarder.lanes() > 0) absl::SleepFor(absl::Milliseconds(1));
}

TEST(ConsumerForwarderTest, AGroupThatNoMessageCanHoldIsRefusedFinally) {
  FakeSink sink;
  const auto server = *rpc::Server::Start({}, {&sink});
  ConsumerForwarder forwarder({});
  auto message = std::make_shared<v1::DeliverRequest>();
  *message->mutable_group()->mutable_context() =
      Context(0, 1, server->address());
  message->mutable_group()->mutable_context()->set_prompt(
      std::string(rpc::kMaxMessageBytes, 'x'));
  Mutex mutex;
  CondVar changed;
  std::optional<absl::Status> done;
  forwarder.Deliver(
      message, [] { return true; },
      [&](absl::Status status) {
        MutexLock lock(mutex);
        done = std::move(status);
        changed.NotifyAll();
      });
  {
    MutexLock lock(mutex);
    while (!done) changed.Wait(mutex);
  }
  EXPECT_TRUE(absl::IsInvalidArgument(*done)) << *done;
  EXPECT_THAT(std::string(done->message()),
              ::testing::HasSubstr("at most 67108864 bytes, has 6710"));
  EXPECT_EQ(sink.calls(), 0);
}

TEST(ConsumerForwarderTest, LanesAreBounded) {
  FakeSink sink;
  sink.Hold(true);
  const auto server = *rpc::Server::Start({}, {&sink});
  ConsumerForwarder forwarder({.max_lanes = 2});
  int refused = 0;
  for (const std::string& address :
       {server->address(), std::string("127.0.0.1:1"),
        std::string("127.0.0.1:2"), server->address()}) {
    auto message = std::make_shared<v1::DeliverRequest>();
    *message->mutable_group()->mutable_context() = Context(0, 1, address);
    forwarder.Deliver(
        message, [] { return true; },
        [&refused, address](const absl::Status& status) {
          if (address != "127.0.0.1:2") return;
          EXPECT_TRUE(absl::IsUnavailable(status)) << status;
          ++refused;
        });
  }
  EXPECT_EQ(forwarder.lanes(), 2u);
  EXPECT_EQ(refused, 1);
  sink.Hold(false);
}

TEST_F(RewardServiceTest, ABrokenStreamsGroupIsCompletedOnAnotherStream) {
  {
    const auto broken = Connect();
    Write(*broken, OpenRequest(ContextFor(0, 2)));
    Write(*broken, TrajectoryRequest(Key(0), TrajectoryOf(0)));
  }
  const auto stream = Connect();
  WriteGroup(*stream, 0, 2);
  EXPECT_EQ(ReadAck(*stream).code(), 0);
  EXPECT_EQ(sink_.groups().size(), 1u);
}

TEST_F(RewardServiceTest, WithoutCreditTheSenderWaitsUntilTheConsumerTakes) {
  Start({.initial_credit = 1 << 20, .max_bytes = 200});
  sink_.Hold(true);
  const auto stream = Connect();
  v1::SubmitResponse response;
  ASSERT_TRUE(*stream->Read(&response));
  EXPECT_EQ(response.credit_bytes(), 1u << 20);
  // This is more than max_bytes, so its credit is withheld while it is held.
  Write(*stream, OpenRequest(ContextFor(0, 1)));
  ASSERT_TRUE(*stream->Read(&response));
  Write(*stream,
        TrajectoryRequest(Key(0), TrajectoryOf(0, std::string(60, 'x'))));
  Write(*stream, OpenRequest(ContextFor(1, 1)));
  sink_.WaitForCalls(1);
  EXPECT_GT(replica_->pipeline().pending_bytes(), 100u);
  sink_.Hold(false);
  bool acknowledged = false, credited = false;
  while (!acknowledged || !credited) {
    ASSERT_TRUE(*stream->Read(&response));
    acknowledged |= response.has_ack() && response.ack().code() == 0;
    credited |= response.credit_bytes() > 0;
  }
}

TEST_F(RewardServiceTest, ASenderThatIgnoresItsCreditIsCutOff) {
  Start({.initial_credit = 10, .max_bytes = 1});
  const auto stream = Connect();
  absl::Status status;
  for (uint32_t slot = 0; status.ok(); ++slot) {
    status = stream->Write(OpenRequest(ContextFor(slot, 1)));
  }
  EXPECT_FALSE(status.ok());
  EXPECT_TRUE(absl::IsResourceExhausted(stream->Finish()));
}

TEST_F(RewardServiceTest, ClosingEndsTheStreamsAndRefusesNewOnes) {
  const auto stream = Connect();
  v1::SubmitResponse response;
  ASSERT_TRUE(*stream->Read(&response));
  replica_->service().Close(absl::UnavailableError("shutting down"));
  EXPECT_TRUE(absl::IsUnavailable(stream->Read(&response).status()));
  const auto late = Connect();
  EXPECT_TRUE(absl::IsUnavailable(late->Finish()));
}

}  // namespace
}  // namespace aha::reward
