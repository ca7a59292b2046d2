// The reactor behind Stream (client.h), which turns gRPC's callbacks into
// blocking calls.  Internal to rpc/.
#pragma once

#include <atomic>
#include <memory>
#include <optional>
#include <string>

#include "base/clock.h"
#include "base/mutex.h"
#include "google/protobuf/message.h"
#include "grpcpp/generic/generic_stub.h"
#include "grpcpp/grpcpp.h"
#include "grpcpp/impl/codegen/proto_utils.h"
#include "rpc/client.h"

namespace google::protobuf {
class MethodDescriptor;
}  // namespace google::protobuf

namespace aha::rpc {

class Stream::Reactor
    : private grpc::ClientBidiReactor<google::protobuf::Message,
                                      google::protobuf::Message> {
 public:
  using Message = google::protobuf::Message;

  Reactor(const google::protobuf::MethodDescriptor* method, std::string address,
          std::shared_ptr<grpc::Channel> channel, const std::string& path,
          const StreamOptions& options);
  ~Reactor() override;  // Cancels the stream and waits for its end.

  absl::Status Write(const Message& message);
  absl::Status WritesDone();
  absl::StatusOr<bool> Read(Message* message);
  absl::Status Finish();
  void Cancel() {
    cancelled_ = true;
    context_.TryCancel();
  }

 private:
  void OnReadDone(bool ok) override;
  void OnWriteDone(bool ok) override;
  void OnWritesDoneDone(bool ok) override;
  void OnDone(const grpc::Status& status) override;

  // The peer's status, with method, peer and time in its message.
  absl::Status Explain() const ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);
  absl::Status WaitForEnd() ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);
  // Releases the hold that keeps the reactor alive between calls.
  void Release() ABSL_LOCKS_EXCLUDED(mutex_);

  const google::protobuf::MethodDescriptor* const method_;
  const std::string address_;
  const std::string path_;
  const Clock clock_ = MonotonicClock();
  const absl::Time start_ = clock_();
  std::atomic<bool> cancelled_{false};  // By this side.
  grpc::ClientContext context_;
  grpc::TemplatedGenericStub<Message, Message> stub_;

  Mutex mutex_;
  CondVar changed_;
  bool reading_ ABSL_GUARDED_BY(mutex_) = false;
  bool writing_ ABSL_GUARDED_BY(mutex_) = false;
  bool read_failed_ ABSL_GUARDED_BY(mutex_) = false;
  bool write_failed_ ABSL_GUARDED_BY(mutex_) = false;
  bool half_closed_ ABSL_GUARDED_BY(mutex_) = false;
  bool released_ ABSL_GUARDED_BY(mutex_) = false;
  std::optional<grpc::Status> status_ ABSL_GUARDED_BY(mutex_);
  // The last member, so that it is destroyed before those that its callback
  // uses.
  std::optional<Cancellation::Registration> registration_;
};

}  // namespace aha::rpc
