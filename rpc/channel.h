// Channels with the project's settings, for code that uses gRPC's own stubs.
// (client.h needs no stub and no gRPC header.)
#pragma once

#include <memory>

#include "absl/status/statusor.h"
#include "rpc/client.h"

namespace grpc {
class Channel;
}  // namespace grpc

namespace aha::rpc {

// Makes a channel with a connection of its own: no two channels share one, even
// of one kind.  Dead peers are detected within 30 s (keepalive), and proxies of
// the environment are not used.  FAILED_PRECONDITION: the address needs TLS.
absl::StatusOr<std::shared_ptr<grpc::Channel>> NewChannel(
    const ClientOptions& options);

}  // namespace aha::rpc
