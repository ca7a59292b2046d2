// Who may be talked to without encryption: only processes on this machine.
//
// A loopback address (127.0.0.0/8, ::1, localhost, unix:) needs nothing.  Any
// other needs mutual TLS (certificate, key and the authority both sides are
// signed by) or the user's word: --insecure.
#pragma once

#include <memory>
#include <string>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"

namespace grpc {
class ChannelCredentials;
class ServerCredentials;
}  // namespace grpc

namespace aha::rpc {

struct Security {
  std::string tls_cert = {};  // PEM files; all three or none.
  std::string tls_key = {};
  std::string tls_ca = {};
  // The name that the certificates of dialled processes carry; the dialled
  // host if empty.  For addresses that nobody knows beforehand (pods).
  std::string tls_server_name = {};
  bool insecure = false;  // The user wants plain text on any address.

  bool tls() const { return !tls_cert.empty(); }
  // INVALID_ARGUMENT: some of the three files are missing, TLS and --insecure
  // are both asked for, or there is a server name without TLS.
  absl::Status Validate() const;
};

// "host:port" or "[v6]:port"; INVALID_ARGUMENT names what is wrong.  Host may
// be empty only if `address` begins with "unix:".
struct HostPort {
  std::string host;
  int port = 0;
};
absl::StatusOr<HostPort> ParseAddress(absl::string_view address);

bool IsLoopback(absl::string_view address);

// FAILED_PRECONDITION naming the flags, if `address` needs TLS and has none.
absl::Status CheckAllowed(absl::string_view address, const Security& security);

// Both check CheckAllowed and read the files each time.
absl::StatusOr<std::shared_ptr<grpc::ChannelCredentials>> ClientCredentials(
    absl::string_view address, const Security& security);
absl::StatusOr<std::shared_ptr<grpc::ServerCredentials>> ServerSideCredentials(
    absl::string_view address, const Security& security);

}  // namespace aha::rpc
