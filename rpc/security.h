// Transport security: which addresses need TLS, and the credentials for it.
//
// Only processes on this machine are spoken to without encryption: a loopback
// address (127.0.0.0/8, ::1, localhost, unix:) needs no TLS.  Any other address
// needs mutual TLS (a certificate, its key, and the authority that signed both
// sides' certificates), or the user's explicit --insecure.
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
  // host if empty.  For addresses that are not known beforehand (pods).
  std::string tls_server_name = {};
  bool insecure = false;  // The user allows plain text on any address.

  bool tls() const { return !tls_cert.empty(); }
  // INVALID_ARGUMENT: some of the three files are missing, TLS and --insecure
  // are both given, or there is a server name without TLS.
  absl::Status Validate() const;
};

// INVALID_ARGUMENT, naming the flags, if `address` needs TLS and `security` has
// none.
absl::Status CheckAllowed(absl::string_view address, const Security& security);

// Both check CheckAllowed and read the files each time.
absl::StatusOr<std::shared_ptr<grpc::ChannelCredentials>> ClientCredentials(
    absl::string_view address, const Security& security);
absl::StatusOr<std::shared_ptr<grpc::ServerCredentials>> ServerSideCredentials(
    absl::string_view address, const Security& security);

}  // namespace aha::rpc
