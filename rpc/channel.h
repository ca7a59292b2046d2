// Channels with the project's settings, and the options that Client (client.h)
// makes one from.  Code that uses gRPC's asynchronous stubs takes one directly.
#pragma once

#include <memory>
#include <string>

#include "absl/status/statusor.h"
#include "rpc/security.h"

namespace grpc {
class Channel;
}  // namespace grpc

namespace aha::rpc {

enum class ChannelKind { kControl, kBulk };

struct ClientOptions {
  std::string address = {};
  ChannelKind kind = ChannelKind::kControl;
  Security security = {};
};

// Makes a channel with a connection of its own: no two channels share one, even
// of one kind.  Dead peers are detected within 30 s (keepalive), and proxies of
// the environment are not used.  INVALID_ARGUMENT: the address needs TLS.
absl::StatusOr<std::shared_ptr<grpc::Channel>> NewChannel(
    const ClientOptions& options);

}  // namespace aha::rpc
