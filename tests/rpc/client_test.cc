// Runs a real client against a real server over loopback, without sleeps.
#include "rpc/client.h"

#include <sys/socket.h>

#include <atomic>
#include <memory>
#include <thread>
#include <vector>

#include "aha/v1/admin.grpc.pb.h"
#include "aha/v1/coordinator.pb.h"
#include "aha/v1/reward.grpc.pb.h"
#include "aha/v1/rollout.pb.h"
#include "aha/v1/weights.grpc.pb.h"
#include "gmock/gmock.h"
#include "google/protobuf/descriptor.h"
#include "grpcpp/grpcpp.h"
#include "gtest/gtest.h"
#include "rpc/finish.h"
#include "rpc/server.h"
#include "tests/loopback.h"

namespace aha::rpc {
namespace {

using ::testing::AllOf;
using ::testing::HasSubstr;

class FakeAdmin : public v1::Admin::CallbackService {
 public:
  grpc::ServerUnaryReactor* GetJob(grpc::CallbackServerContext* context,
                                   const v1::GetJobRequest*,
                                   v1::JobStatus* response) override {
    const int call = ++calls;
    response->set_name("tiny");
    return Finish(context, [&]() -> absl::Status {
      if (call <= failures) return absl::UnavailableError("not yet");
      return answer;
    });
  }

  // Waits until the client gives up or the server shuts down.
  class Parked : public grpc::ServerUnaryReactor {
    void OnCancel() override { Finish(grpc::Status::CANCELLED); }
    void OnDone() override { delete this; }
  };
  grpc::ServerUnaryReactor* PauseJob(grpc::CallbackServerContext*,
                                     const v1::PauseJobRequest*,
                                     v1::JobStatus*) override {
    ++calls;
    return new Parked;
  }

  std::atomic<int> calls = 0;
  int failures = 0;
  absl::Status answer;
};

// Echoes a credit for each request, so that both directions are used at the
// same time.
class FakeReward : public v1::Reward::CallbackService {
  class Echo
      : public grpc::ServerBidiReactor<v1::SubmitRequest, v1::SubmitResponse> {
   public:
    Echo() { StartRead(&request_); }

   private:
    void OnReadDone(bool ok) override {
      if (!ok) return Finish(grpc::Status::OK);
      if (request_.open().prompt() == "fail") {
        return Finish({grpc::StatusCode::INVALID_ARGUMENT, "prompt: bad"});
      }
      response_.set_credit_bytes(request_.open().key().step());
      StartWrite(&response_);
    }
    void OnWriteDone(bool) override { StartRead(&request_); }
    void OnDone() override { delete this; }

    v1::SubmitRequest request_;
    v1::SubmitResponse response_;
  };
  grpc::ServerBidiReactor<v1::SubmitRequest, v1::SubmitResponse>* Submit(
      grpc::CallbackServerContext*) override {
    return new Echo;
  }
};

class FakeWeights : public v1::Weights::CallbackService {
  class Publisher : public grpc::ServerReadReactor<v1::WeightsChunk> {
   public:
    Publisher() { StartRead(&chunk_); }

   private:
    void OnReadDone(bool ok) override {
      if (!ok) return Finish(grpc::Status::OK);
      StartRead(&chunk_);
    }
    void OnDone() override { delete this; }
    v1::WeightsChunk chunk_;
  };
  class Fetcher : public grpc::ServerWriteReactor<v1::WeightsChunk> {
   public:
    Fetcher() { OnWriteDone(true); }

   private:
    void OnWriteDone(bool) override {
      if (chunk_.offset() == 3) return Finish(grpc::Status::OK);
      chunk_.set_offset(chunk_.offset() + 1);
      StartWrite(&chunk_);
    }
    void OnDone() override { delete this; }
    v1::WeightsChunk chunk_;
  };
  grpc::ServerReadReactor<v1::WeightsChunk>* Publish(
      grpc::CallbackServerContext*, v1::PublishResponse*) override {
    return new Publisher;
  }
  grpc::ServerWriteReactor<v1::WeightsChunk>* Fetch(
      grpc::CallbackServerContext*, const v1::FetchRequest*) override {
    return new Fetcher;
  }
};

class ClientTest : public ::testing::Test {
 protected:
  void SetUp() override {
    // Some tests bind the same port again.
    auto server = Server::Start({.listen = OwnLoopback() + ":0"},
                                {&admin_, &reward_, &weights_});
    ASSERT_TRUE(server.ok()) << server.status();
    server_ = *std::move(server);
    auto client = Client::New({.address = server_->address()});
    ASSERT_TRUE(client.ok()) << client.status();
    client_ = *std::move(client);
  }

  absl::Status GetJob(const CallOptions& options = {}) {
    return client_->Call(&v1::Admin::Stub::GetJob, {}, &status_, options);
  }

  FakeAdmin admin_;
  FakeReward reward_;
  FakeWeights weights_;
  std::unique_ptr<Server> server_;
  std::unique_ptr<Client> client_;
  v1::JobStatus status_;
};

TEST_F(ClientTest, CallsAMethodOfAStub) {
  EXPECT_TRUE(GetJob().ok());
  EXPECT_EQ(status_.name(), "tiny");
}

TEST_F(ClientTest, AResponseHoldsNothingOfAnEarlierCall) {
  status_.set_problem("of an earlier call");
  EXPECT_TRUE(GetJob().ok());
  EXPECT_EQ(status_.problem(), "");
}

TEST_F(ClientTest, RetriesWhileThePeerIsUnavailable) {
  admin_.failures = 3;
  EXPECT_TRUE(GetJob().ok());
  EXPECT_EQ(admin_.calls, 4);
}

TEST_F(ClientTest, DoesNotRetryAnAnswerAndNamesMethodPeerAndTime) {
  admin_.answer = absl::FailedPreconditionError("epoch: want 3, got 2");
  const absl::Status status = GetJob();
  EXPECT_EQ(status.code(), absl::StatusCode::kFailedPrecondition);
  EXPECT_THAT(std::string(status.message()),
              AllOf(HasSubstr("GetJob"), HasSubstr(server_->address()),
                    HasSubstr("epoch: want 3, got 2"), HasSubstr("waited")));
  EXPECT_EQ(admin_.calls, 1);
}

TEST_F(ClientTest, GivesUpAtTheDeadline) {
  const absl::Status status = client_->Call(
      &v1::Admin::Stub::PauseJob, {}, &status_,
      {.attempt = absl::Milliseconds(30), .total = absl::Milliseconds(30)});
  EXPECT_EQ(status.code(), absl::StatusCode::kDeadlineExceeded);
}

TEST_F(ClientTest, CancellationEndsACallThatWaits) {
  Cancellation cancel;
  std::thread canceller([&] {
    while (admin_.calls == 0) std::this_thread::yield();
    cancel.Cancel();
  });
  const absl::Status status = client_->Call(&v1::Admin::Stub::PauseJob, {},
                                            &status_, {.cancel = &cancel});
  canceller.join();
  EXPECT_EQ(status.code(), absl::StatusCode::kCancelled);
  EXPECT_EQ(GetJob({.cancel = &cancel}).code(), absl::StatusCode::kCancelled);
}

TEST_F(ClientTest, ABidiStreamCarriesBothDirections) {
  auto stream = client_->Open(&v1::Reward::Stub::Submit);
  v1::SubmitRequest request;
  v1::SubmitResponse response;
  for (uint64_t i = 1; i <= 3; ++i) {
    request.mutable_open()->mutable_key()->set_step(i);
    ASSERT_TRUE(stream->Write(request).ok());
    const absl::StatusOr<bool> read = stream->Read(&response);
    ASSERT_TRUE(read.ok() && *read) << read.status();
    EXPECT_EQ(response.credit_bytes(), i);
  }
  EXPECT_TRUE(stream->WritesDone().ok());
  const absl::StatusOr<bool> end = stream->Read(&response);
  ASSERT_TRUE(end.ok()) << end.status();
  EXPECT_FALSE(*end);
  EXPECT_TRUE(stream->Finish().ok());
}

TEST_F(ClientTest, AStreamsErrorReachesReaderAndFinish) {
  auto stream = client_->Open(&v1::Reward::Stub::Submit);
  v1::SubmitRequest request;
  request.mutable_open()->set_prompt("fail");
  ASSERT_TRUE(stream->Write(request).ok());
  v1::SubmitResponse response;
  const absl::StatusOr<bool> read = stream->Read(&response);
  EXPECT_EQ(read.status().code(), absl::StatusCode::kInvalidArgument);
  EXPECT_THAT(std::string(stream->Finish().message()),
              HasSubstr("prompt: bad"));
  EXPECT_FALSE(stream->Write(request).ok());
}

TEST_F(ClientTest, AStreamThatIsDroppedIsCancelled) {
  auto stream = client_->Open(&v1::Reward::Stub::Submit);
  stream.reset();
  EXPECT_TRUE(GetJob().ok());
}

TEST_F(ClientTest, ClientAndServerStreamsWorkToo) {
  v1::PublishResponse response;
  auto publish = client_->Open(&v1::Weights::Stub::Publish, &response);
  ASSERT_TRUE(publish->Write(v1::WeightsChunk()).ok());
  ASSERT_TRUE(publish->WritesDone().ok());
  EXPECT_TRUE(publish->Finish().ok());

  auto fetch = client_->Open(&v1::Weights::Stub::Fetch, {});
  v1::WeightsChunk chunk;
  for (uint64_t i = 1; i <= 3; ++i) {
    const absl::StatusOr<bool> read = fetch->Read(&chunk);
    ASSERT_TRUE(read.ok() && *read) << read.status();
    EXPECT_EQ(chunk.offset(), i);
  }
  EXPECT_FALSE(*fetch->Read(&chunk));
  EXPECT_FALSE(*fetch->Read(&chunk)) << "reading on does no harm";
}

// gRPC answers CANCELLED to calls that arrive while a server shuts down; the
// client must not take that for its own cancellation.
TEST_F(ClientTest, ServersMayFollowOneAnotherUnderCalls) {
  const std::string address = server_->address();
  std::atomic<bool> over{false};
  std::vector<std::thread> callers;
  for (int i = 0; i < 4; ++i) {
    callers.emplace_back([&] {
      auto client = Client::New({.address = address});
      ASSERT_TRUE(client.ok()) << client.status();
      while (!over) {
        v1::JobStatus job;
        const absl::Status status =
            (*client)->Call(&v1::Admin::Stub::GetJob, {}, &job);
        EXPECT_TRUE(status.ok()) << status;
      }
    });
  }
  for (int i = 0; i < 20 && server_ != nullptr; ++i) {
    const int calls = admin_.calls;
    while (admin_.calls < calls + 20) std::this_thread::yield();
    server_.reset();
    auto server = Server::Start({.listen = address}, {&admin_});
    EXPECT_TRUE(server.ok()) << server.status();
    if (server.ok()) server_ = *std::move(server);
  }
  over = true;
  for (std::thread& caller : callers) caller.join();
}

TEST_F(ClientTest, AStreamThatAServerLeavesBehindIsUnavailable) {
  auto stream = client_->Open(&v1::Reward::Stub::Submit);
  v1::SubmitRequest request;
  v1::SubmitResponse response;
  ASSERT_TRUE(stream->Write(request).ok());
  ASSERT_TRUE(stream->Read(&response).ok());  // The stream is established.
  server_.reset();
  const absl::Status status = stream->Read(&response).status();
  EXPECT_EQ(status.code(), absl::StatusCode::kUnavailable) << status;
}

TEST_F(ClientTest, AStreamThatWeCancelIsCancelled) {
  auto stream = client_->Open(&v1::Reward::Stub::Submit);
  stream->Cancel();
  v1::SubmitResponse response;
  const absl::Status status = stream->Read(&response).status();
  EXPECT_EQ(status.code(), absl::StatusCode::kCancelled) << status;
}

TEST_F(ClientTest, AStreamEndsAtItsDeadlineAndNamesMethodPeerAndTime) {
  const auto stream = client_->Open(&v1::Reward::Stub::Submit,
                                    {.deadline = absl::Milliseconds(30)});
  v1::SubmitResponse response;
  const absl::Status status = stream->Read(&response).status();
  EXPECT_EQ(status.code(), absl::StatusCode::kDeadlineExceeded);
  EXPECT_THAT(std::string(status.message()),
              AllOf(HasSubstr("Submit at " + server_->address()),
                    HasSubstr("(after ")));
}

TEST_F(ClientTest, CancellationEndsAReadThatWaits) {
  Cancellation cancel;
  const auto stream =
      client_->Open(&v1::Reward::Stub::Submit, {.cancel = &cancel});
  v1::SubmitResponse response;
  ASSERT_TRUE(stream->Write(v1::SubmitRequest()).ok());
  ASSERT_TRUE(stream->Read(&response).ok());
  std::thread canceller([&] { cancel.Cancel(); });
  EXPECT_TRUE(absl::IsCancelled(stream->Read(&response).status()));
  canceller.join();
  const auto late =
      client_->Open(&v1::Reward::Stub::Submit, {.cancel = &cancel});
  EXPECT_TRUE(absl::IsCancelled(late->Read(&response).status()));
}

TEST_F(ClientTest, OneThreadWritesWhileAnotherReads) {
  constexpr uint64_t kMessages = 2000;
  const auto stream = client_->Open(&v1::Reward::Stub::Submit);
  std::thread writer([&] {
    v1::SubmitRequest request;
    for (uint64_t i = 1; i <= kMessages; ++i) {
      request.mutable_open()->mutable_key()->set_step(i);
      EXPECT_TRUE(stream->Write(request).ok());
    }
    EXPECT_TRUE(stream->WritesDone().ok());
  });
  v1::SubmitResponse response;
  uint64_t read = 0;
  for (auto more = stream->Read(&response); more.ok() && *more;
       more = stream->Read(&response)) {
    EXPECT_EQ(response.credit_bytes(), ++read);
  }
  writer.join();
  EXPECT_EQ(read, kMessages);
  EXPECT_TRUE(stream->Finish().ok());
}

TEST_F(ClientTest, AWriteAfterTheLastIsAnErrorOfTheCaller) {
  const auto stream = client_->Open(&v1::Reward::Stub::Submit);
  ASSERT_TRUE(stream->WritesDone().ok());
  EXPECT_TRUE(stream->WritesDone().ok());
  const absl::Status status = stream->Write(v1::SubmitRequest());
  EXPECT_TRUE(absl::IsInternal(status));
  EXPECT_EQ(status.message(), "Submit: write after WritesDone");
  EXPECT_TRUE(stream->Finish().ok());
}

TEST_F(ClientTest, FinishDiscardsWhatWasNotRead) {
  const auto fetch = client_->Open(&v1::Weights::Stub::Fetch, {});
  EXPECT_TRUE(fetch->Finish().ok());
  EXPECT_TRUE(fetch->Finish().ok());
}

TEST_F(ClientTest, AStreamToAServerThatIsGoneIsUnavailable) {
  server_->Shutdown(absl::ZeroDuration());
  v1::PublishResponse response;
  const auto publish = client_->Open(&v1::Weights::Stub::Publish, &response);
  const absl::Status written = publish->Write(v1::WeightsChunk());
  EXPECT_TRUE(absl::IsUnavailable(written)) << written;
  EXPECT_TRUE(absl::IsUnavailable(publish->Finish()));
  v1::WeightsChunk chunk;
  EXPECT_TRUE(absl::IsUnavailable(
      client_->Open(&v1::Weights::Stub::Fetch, {})->Read(&chunk).status()));
}

TEST_F(ClientTest, AServerThatIsGoneIsUnavailable) {
  server_->Shutdown(absl::ZeroDuration());
  const absl::Status status = GetJob({.total = absl::Milliseconds(100)});
  EXPECT_EQ(status.code(), absl::StatusCode::kUnavailable);
}

// Errors find a method by its messages.
TEST(MethodNameTest, TheMessagesOfEachMethodNameItAlone) {
  int methods = 0;
  for (const google::protobuf::FileDescriptor* file :
       {v1::GetJobRequest::descriptor()->file(),
        v1::RegisterRequest::descriptor()->file(),
        v1::SubmitRequest::descriptor()->file(),
        v1::DeliverRequest::descriptor()->file(),
        v1::FetchRequest::descriptor()->file()}) {
    for (int s = 0; s < file->service_count(); ++s) {
      for (int m = 0; m < file->service(s)->method_count(); ++m, ++methods) {
        const auto& method = *file->service(s)->method(m);
        EXPECT_EQ(MethodName({method.input_type(), method.output_type()}),
                  method.name());
      }
    }
  }
  EXPECT_GT(methods, 20);
  EXPECT_EQ(MethodName({v1::GetJobRequest::descriptor(),
                        v1::FetchRequest::descriptor()}),
            "GetJobRequest");
}

}  // namespace
}  // namespace aha::rpc
