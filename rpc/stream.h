// Blocking streams, which Client::Open (client.h) opens.  They add to those of
// the generated stubs a deadline, a cancellation, and errors that name the
// method, the peer and the time.
//
// BidiStream has Write, WritesDone and Read, ReadStream has Read, WriteStream
// has Write and WritesDone.  One thread may write while another reads.  The
// destructor cancels a stream that has not ended.
#pragma once

#include <atomic>
#include <memory>
#include <optional>
#include <string>
#include <type_traits>
#include <utility>

#include "absl/functional/function_ref.h"
#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/time/time.h"
#include "base/cancellation.h"
#include "base/clock.h"
#include "base/status.h"
#include "grpcpp/grpcpp.h"

namespace google::protobuf {
class Descriptor;
}  // namespace google::protobuf

namespace aha::rpc {

struct StreamOptions {
  // The limit of the whole stream; infinite only for streams that can be
  // cancelled and whose peer is watched by other means (heartbeats).
  absl::Duration deadline = absl::Minutes(5);
  Cancellation* cancel = nullptr;  // Must outlive the stream.
};

// A method by its messages: no two methods of Aha have the same two.
struct MethodMessages {
  const google::protobuf::Descriptor* request;
  const google::protobuf::Descriptor* response;
};
// "Register", for errors.  The type of the request if there is no such method.
std::string MethodName(const MethodMessages& method);

// What does not depend on the messages of a stream.
class StreamBase {
 public:
  StreamBase(const StreamBase&) = delete;
  StreamBase& operator=(const StreamBase&) = delete;

  void Cancel();

 protected:
  StreamBase(const MethodMessages& method, const std::string& address,
             const StreamOptions& options);
  ~StreamBase() = default;

  // UNAVAILABLE.  A write that failed does not know why.
  absl::Status Broken() const;
  absl::Status WriteAfterWritesDone() const;
  // The peer's status, with method, peer and time in its message.
  absl::Status Explain(const grpc::Status& status) const;

  grpc::ClientContext context_;

 private:
  const std::string method_, address_;
  const Clock clock_ = MonotonicClock();
  const absl::Time start_ = clock_();
  std::atomic<bool> cancelled_{false};  // By this side.
  // The last member, so that it is destroyed before those that its callback
  // uses.
  const Cancellation::Registration registration_;
};

// `Call` is a stream of gRPC; `Response` is void if it reads none.
template <class Call, class Response>
class Stream : public StreamBase {
 public:
  // Client::Open calls it.
  Stream(const MethodMessages& method, const std::string& address,
         const StreamOptions& options,
         absl::FunctionRef<std::unique_ptr<Call>(grpc::ClientContext*)> open)
      : StreamBase(method, address, options), call_(open(&context_)) {}
  ~Stream() {
    if (end_.has_value()) return;
    context_.TryCancel();
    (void)Finish();
  }

  // Blocks until the transport accepts the message (flow control).  An error
  // means that the stream is broken; Finish() returns the reason.
  template <class Request>
  absl::Status Write(const Request& message) {
    if (half_closed_) return WriteAfterWritesDone();
    return call_->Write(message) ? absl::OkStatus() : Broken();
  }
  // No more writes.
  absl::Status WritesDone() {
    if (std::exchange(half_closed_, true)) return absl::OkStatus();
    return call_->WritesDone() ? absl::OkStatus() : Broken();
  }
  // True: *message was read.  False: the peer has sent everything, and its
  // status is OK.
  absl::StatusOr<bool> Read(Response* message) {
    if (!end_.has_value() && call_->Read(message)) return true;
    AHA_RETURN_IF_ERROR(Finish());
    return false;
  }
  // Returns the peer's final status.  Call it after WritesDone and after Read
  // returned false, or after an error, when no other thread reads; unread
  // messages are discarded.
  absl::Status Finish() {
    if (end_.has_value()) return *end_;
    if constexpr (!std::is_void_v<Response>) {
      // Unread messages would keep the stream open for ever.
      Response rest;
      while (call_->Read(&rest)) {
      }
    }
    end_ = Explain(call_->Finish());
    return *end_;
  }

 private:
  const std::unique_ptr<Call> call_;
  bool half_closed_ = false;         // Used by the writing thread.
  std::optional<absl::Status> end_;  // Used by the reading thread.
};

template <class Request, class Response>
using BidiStream =
    Stream<grpc::ClientReaderWriter<Request, Response>, Response>;
template <class Response>
using ReadStream = Stream<grpc::ClientReader<Response>, Response>;
template <class Request>
using WriteStream = Stream<grpc::ClientWriter<Request>, void>;

}  // namespace aha::rpc
