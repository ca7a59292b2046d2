// Calls to a peer, for code that may block: unary calls with deadlines and
// retries, and blocking streams.  Callers need no gRPC header.
//
//   AHA_ASSIGN_OR_RETURN(auto client, rpc::Client::New(
//       {.address = flags.coordinator, .security = flags.security}));
//   AHA_RETURN_IF_ERROR(client->Call("aha.v1.Coordinator.Register", request,
//                                    &response, {.cancel = &stopping}));
//
// Methods are named as in the .proto files; a name or a message type that does
// not match is INTERNAL at once.  Errors name the method, the peer and the time
// waited, and keep the peer's code.  Never call it from a gRPC callback,
// because it blocks.
//
// Control calls and bulk transfers use different clients (ChannelKind): each
// client has a connection of its own, so a heartbeat never queues behind
// weights.
#pragma once

#include <memory>
#include <string>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "absl/time/time.h"
#include "base/cancellation.h"
#include "rpc/security.h"

namespace google::protobuf {
class Message;
}  // namespace google::protobuf

namespace aha::rpc {

enum class ChannelKind { kControl, kBulk };

struct ClientOptions {
  std::string address = {};
  ChannelKind kind = ChannelKind::kControl;
  Security security = {};
};

struct CallOptions {
  // The limit of one attempt.  For long polls, the server's wait and some
  // seconds.
  absl::Duration attempt = absl::Seconds(20);
  // UNAVAILABLE (also where a server shuts down before it has answered) and an
  // attempt's own DEADLINE_EXCEEDED are retried, with jittered pauses from 50
  // ms to 2 s (kCallBackoff), until this is over; an attempt that has begun
  // keeps its own limit.  Zero: one attempt, no retry.
  absl::Duration total = absl::Seconds(60);
  Cancellation* cancel = nullptr;  // May be null; must outlive the call.
};

struct StreamOptions {
  // The limit of the whole stream; infinite only for streams that can be
  // cancelled and whose peer is watched by other means (heartbeats).
  absl::Duration deadline = absl::Minutes(5);
  Cancellation* cancel = nullptr;  // Must outlive the stream.
};

// One stream.  One thread may write while another reads.  The destructor
// cancels a stream that has not ended.
class Stream {
 public:
  ~Stream();
  Stream(const Stream&) = delete;
  Stream& operator=(const Stream&) = delete;

  // Blocks until the transport accepts the message (flow control).  An error
  // means that the stream is broken; Finish() returns the reason.
  absl::Status Write(const google::protobuf::Message& message);
  // No more writes.
  absl::Status WritesDone();
  // True: *message was read.  False: the peer has sent everything, and its
  // status is OK.
  absl::StatusOr<bool> Read(google::protobuf::Message* message);
  // Returns the peer's final status.  Call it after WritesDone and after Read
  // returned false, or after an error; unread messages are discarded.
  absl::Status Finish();
  void Cancel();

 private:
  friend class Client;
  class Reactor;
  explicit Stream(std::unique_ptr<Reactor> reactor);
  std::unique_ptr<Reactor> reactor_;
};

// Thread-safe.
class Client {
 public:
  // Connects at the first call.  FAILED_PRECONDITION: the address needs TLS.
  static absl::StatusOr<std::unique_ptr<Client>> New(
      const ClientOptions& options);
  ~Client();
  Client(const Client&) = delete;
  Client& operator=(const Client&) = delete;

  const std::string& address() const;

  absl::Status Call(absl::string_view method,
                    const google::protobuf::Message& request,
                    google::protobuf::Message* response,
                    const CallOptions& options = {});

  // Opens a stream of any of the three kinds.
  absl::StatusOr<std::unique_ptr<Stream>> Open(
      absl::string_view method, const StreamOptions& options = {});

 private:
  struct State;
  explicit Client(std::unique_ptr<State> state);
  std::unique_ptr<State> state_;
};

}  // namespace aha::rpc
