// The real service and forwarder over loopback: a scripted sender in front, a
// fake consumer behind.
#include "reward_service/service.h"

#include <deque>
#include <memory>
#include <string>
#include <vector>

#include "aha/v1/rollout.grpc.pb.h"
#include "base/mutex.h"
#include "gmock/gmock.h"
#include "grpcpp/grpcpp.h"
#include "gtest/gtest.h"
#include "reward_service/consumer_forwarder.h"
#include "reward_service/pipeline.h"
#include "reward_service/worker_pool.h"
#include "rpc/client.h"
#include "rpc/server.h"
#include "rpc/status.h"
#include "tests/reward_service/messages.h"

namespace aha::reward {
namespace {

class FakeSink final : public v1::GroupSink::Service {
 public:
  grpc::Status Deliver(grpc::ServerContext*, const v1::DeliverRequest* request,
                       v1::DeliverResponse*) override {
    MutexLock lock(mutex_);
    ++calls_;
    changed_.NotifyAll();
    while (held_) changed_.Wait(mutex_);
    if (!answers_.empty()) {
      const absl::Status answer = answers_.front();
      answers_.pop_front();
      if (!answer.ok()) return rpc::ToGrpc(answer);
    }
    groups_.push_back(request->group());
    return grpc::Status::OK;
  }
  void Answer(absl::Status status) {
    MutexLock lock(mutex_);
    answers_.push_back(std::move(status));
  }
  void Hold(bool held) {
    MutexLock lock(mutex_);
    held_ = held;
    changed_.NotifyAll();
  }
  void WaitForCalls(int calls) {
    MutexLock lock(mutex_);
    while (calls_ < calls) changed_.Wait(mutex_);
  }
  std::vector<v1::ScoredGroup> groups() {
    MutexLock lock(mutex_);
    return groups_;
  }
  int calls() {
    MutexLock lock(mutex_);
    return calls_;
  }

 private:
  Mutex mutex_;
  CondVar changed_;
  bool held_ ABSL_GUARDED_BY(mutex_) = false;
  int calls_ ABSL_GUARDED_BY(mutex_) = 0;
  std::deque<absl::Status> answers_ ABSL_GUARDED_BY(mutex_);
  std::vector<v1::ScoredGroup> groups_ ABSL_GUARDED_BY(mutex_);
};

class RewardServiceTest : public ::testing::Test {
 protected:
  void SetUp() override { Start({}); }

  void Start(PipelineOptions options) {
    Stop();
    sink_server_ = *rpc::Server::Start({}, {&sink_});
    forwarder_ = std::make_unique<ConsumerForwarder>(
        ConsumerForwarder::Options{.first_back_off = absl::Milliseconds(1)});
    workers_ = std::make_unique<WorkerPool>(2);
    service_ = std::make_unique<RewardService>();
    pipeline_ = std::make_unique<Pipeline>(
        options, Pipeline::Parts{.executor =
                                     [this](std::function<void()> task) {
                                       workers_->Run(std::move(task));
                                     },
                                 .forwarder = forwarder_.get(),
                                 .outbox = service_.get(),
                                 .clock = MonotonicClock(),
                                 .stats = {}});
    pipeline_->SetScorer([](const Question& question) {
      return Score{.reward = question.completion == question.reference ? 1. : 0,
                   .parts = {}};
    });
    pipeline_->SetEpoch(7);
    service_->SetPipeline(pipeline_.get());
    server_ = *rpc::Server::Start({}, {service_->grpc_service()});
    client_ = *rpc::Client::New({.address = server_->address()});
  }

  void Stop() {
    if (server_ == nullptr) return;
    sink_.Hold(false);
    service_->Close(absl::UnavailableError("over"));
    server_->Shutdown(absl::Seconds(1));
    forwarder_->Stop();
    workers_.reset();
    pipeline_.reset();
    server_.reset();
  }
  ~RewardServiceTest() override { Stop(); }

  std::unique_ptr<rpc::Stream> Connect() {
    return *client_->Open("aha.v1.Reward.Submit");
  }
  v1::GroupContext ContextFor(uint32_t slot, uint32_t generations) {
    return Context(slot, generations, sink_server_->address());
  }
  static void Write(rpc::Stream& stream, const v1::SubmitRequest& request) {
    EXPECT_TRUE(stream.Write(request).ok());
  }
  void WriteGroup(rpc::Stream& stream, uint32_t slot, uint32_t generations) {
    Write(stream, OpenRequest(ContextFor(slot, generations)));
    for (uint32_t i = 0; i < generations; ++i) {
      Write(stream, TrajectoryRequest(Key(slot), TrajectoryOf(i)));
    }
  }
  static v1::GroupAck ReadAck(rpc::Stream& stream) {
    v1::SubmitResponse response;
    for (;;) {
      const absl::StatusOr<bool> more = stream.Read(&response);
      EXPECT_TRUE(more.ok() && *more) << more.status();
      if (!more.ok() || !*more || response.has_ack()) return response.ack();
    }
  }

  FakeSink sink_;
  std::unique_ptr<rpc::Server> sink_server_;
  std::unique_ptr<ConsumerForwarder> forwarder_;
  std::unique_ptr<RewardService> service_;
  std::unique_ptr<Pipeline> pipeline_;
  std::unique_ptr<WorkerPool> workers_;
  std::unique_ptr<rpc::Server> server_;
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

TEST_F(RewardServiceTest, AConsumerThatIsNotReadyIsTriedUntilItIs) {
  for (int i = 0; i < 3; ++i) sink_.Answer(absl::UnavailableError("not yet"));
  const auto stream = Connect();
  WriteGroup(*stream, 0, 1);
  EXPECT_EQ(ReadAck(*stream).code(), 0);
  EXPECT_EQ(sink_.calls(), 4);
}

TEST_F(RewardServiceTest, AGroupNotWantedYetDoesNotBlockTheOneBehindIt) {
  forwarder_->SetPatience(absl::Hours(1));
  sink_.Answer(absl::UnavailableError("a later step"));
  sink_.Answer(absl::OkStatus());
  const auto stream = Connect();
  WriteGroup(*stream, 0, 1);
  WriteGroup(*stream, 1, 1);
  EXPECT_EQ(ReadAck(*stream).code(), 0);
  EXPECT_EQ(ReadAck(*stream).code(), 0);
}

TEST_F(RewardServiceTest, AConsumerThatStaysAwayMakesTheGroupUnavailable) {
  forwarder_->SetPatience(absl::ZeroDuration());
  sink_.Answer(absl::UnavailableError("not yet"));
  const auto stream = Connect();
  WriteGroup(*stream, 0, 1);
  const v1::GroupAck ack = ReadAck(*stream);
  EXPECT_EQ(ack.code(), static_cast<int>(absl::StatusCode::kUnavailable));
  EXPECT_EQ(pipeline_->pending_bytes(), 0u);
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
  // More than max_bytes, so the credit for it stays away while it is held.
  Write(*stream, OpenRequest(ContextFor(0, 1)));
  ASSERT_TRUE(*stream->Read(&response));
  Write(*stream,
        TrajectoryRequest(Key(0), TrajectoryOf(0, std::string(60, 'x'))));
  Write(*stream, OpenRequest(ContextFor(1, 1)));
  sink_.WaitForCalls(1);
  EXPECT_GT(pipeline_->pending_bytes(), 100u);
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
  for (uint32_t slot = 0; slot < 1000 && status.ok(); ++slot) {
    status = stream->Write(OpenRequest(ContextFor(slot, 1)));
  }
  EXPECT_FALSE(status.ok());
  EXPECT_TRUE(absl::IsResourceExhausted(stream->Finish()));
}

TEST_F(RewardServiceTest, ClosingEndsTheStreamsAndRefusesNewOnes) {
  const auto stream = Connect();
  v1::SubmitResponse response;
  ASSERT_TRUE(*stream->Read(&response));
  service_->Close(absl::UnavailableError("shutting down"));
  EXPECT_TRUE(absl::IsUnavailable(stream->Read(&response).status()));
  const auto late = Connect();
  EXPECT_TRUE(absl::IsUnavailable(late->Finish()));
}

}  // namespace
}  // namespace aha::reward
