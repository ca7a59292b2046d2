// Calls to a peer, for code that may block: unary calls with deadlines and
// retries, and blocking streams (stream.h).  A method is named by the member of
// its generated stub (aha/v1/coordinator.grpc.pb.h), so that a misspelt method
// or a message of another type does not compile.
//
//   AHA_ASSIGN_OR_RETURN(auto client, rpc::Client::New(
//       {.address = flags.coordinator, .security = flags.security}));
//   AHA_RETURN_IF_ERROR(client->Call(&v1::Coordinator::Stub::Register, request,
//                                    &response, {.cancel = &stopping}));
//
// Errors name the method, the peer and the time waited, and keep the peer's
// code.  Never call it from a gRPC callback, because it blocks.
//
// Control calls and bulk transfers use different clients (ChannelKind): each
// client has a connection of its own, so a heartbeat never queues behind
// weights.
#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <type_traits>
#include <utility>

#include "absl/functional/function_ref.h"
#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/time/time.h"
#include "base/cancellation.h"
#include "grpcpp/grpcpp.h"
#include "rpc/channel.h"
#include "rpc/stream.h"

namespace aha::rpc {

struct CallOptions {
  // The limit of one attempt.  For long polls, the server's wait and some
  // seconds.
  absl::Duration attempt = absl::Seconds(20);
  // UNAVAILABLE (also where a server shuts down before it has answered) and an
  // attempt's own DEADLINE_EXCEEDED are retried, with jittered pauses from 50
  // ms to 2 s (kCallBackoff), until this is over; an attempt that has begun
  // keeps its own limit.  Zero: one attempt, no retry.
  absl::Duration total = absl::Seconds(60);
  // Whether a refused connection is retried as well.  After a mistyped
  // address a user wants to know at once.
  bool retry_refused = true;
  Cancellation* cancel = nullptr;  // May be null; must outlive the call.
};

// Thread-safe.
class Client {
 public:
  // Connects at the first call.  INVALID_ARGUMENT: the address needs TLS.
  static absl::StatusOr<std::unique_ptr<Client>> New(
      const ClientOptions& options);
  Client(const Client&) = delete;
  Client& operator=(const Client&) = delete;

  const std::string& address() const { return address_; }

  template <class Stub, class Request, class Response>
  absl::Status Call(grpc::Status (Stub::*method)(grpc::ClientContext*,
                                                 const Request&, Response*),
                    const std::type_identity_t<Request>& request,
                    std::type_identity_t<Response>* response,
                    const CallOptions& options = {}) {
    Stub stub(channel_);
    return Retry(Names<Request, Response>(), options,
                 [&](grpc::ClientContext* context) {
                   response->Clear();
                   return (stub.*method)(context, request, response);
                 });
  }

  // Opens a stream of one of the three kinds.  Waits until the connection
  // stands or has failed; then the stream's calls fail, too.
  template <class Stub, class Request, class Response>
  std::unique_ptr<BidiStream<Request, Response>> Open(
      std::unique_ptr<grpc::ClientReaderWriter<Request, Response>> (
          Stub::*method)(grpc::ClientContext*),
      const StreamOptions& options = {}) {
    Stub stub(channel_);
    return std::make_unique<BidiStream<Request, Response>>(
        Names<Request, Response>(), address_, options,
        [&](grpc::ClientContext* context) { return (stub.*method)(context); });
  }

  template <class Stub, class Request, class Response>
  std::unique_ptr<ReadStream<Response>> Open(
      std::unique_ptr<grpc::ClientReader<Response>> (Stub::*method)(
          grpc::ClientContext*, const Request&),
      const std::type_identity_t<Request>& request,
      const StreamOptions& options = {}) {
    Stub stub(channel_);
    return std::make_unique<ReadStream<Response>>(
        Names<Request, Response>(), address_, options,
        [&](grpc::ClientContext* context) {
          return (stub.*method)(context, request);
        });
  }

  // `response` is filled when Finish returns OK; it must outlive the stream.
  template <class Stub, class Request, class Response>
  std::unique_ptr<WriteStream<Request>> Open(
      std::unique_ptr<grpc::ClientWriter<Request>> (Stub::*method)(
          grpc::ClientContext*, Response*),
      std::type_identity_t<Response>* response,
      const StreamOptions& options = {}) {
    Stub stub(channel_);
    return std::make_unique<WriteStream<Request>>(
        Names<Request, Response>(), address_, options,
        [&](grpc::ClientContext* context) {
          return (stub.*method)(context, response);
        });
  }

 private:
  Client(const std::string& address, std::shared_ptr<grpc::Channel> channel);

  template <class Request, class Response>
  static MethodMessages Names() {
    return {Request::descriptor(), Response::descriptor()};
  }
  absl::Status Retry(
      const MethodMessages& method, const CallOptions& options,
      absl::FunctionRef<grpc::Status(grpc::ClientContext*)> attempt) const;

  const std::string address_;
  const uint64_t jitter_key_;
  const std::shared_ptr<grpc::Channel> channel_;
};

}  // namespace aha::rpc
