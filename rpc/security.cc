#include "rpc/security.h"

#include <string>

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "base/address.h"
#include "base/file_io.h"
#include "base/status.h"
#include "grpcpp/security/credentials.h"
#include "grpcpp/security/server_credentials.h"
#include "rpc/access.h"

namespace aha::rpc {
namespace {

constexpr uint64_t kMaxPemBytes = 1 << 20;

absl::StatusOr<std::string> ReadPem(const std::string& path,
                                    absl::string_view flag) {
  const absl::StatusOr<std::string> text = ReadWholeFile(path, kMaxPemBytes);
  if (!text.ok()) {
    return absl::InvalidArgumentError(
        absl::StrCat(flag, ": ", text.status().message()));
  }
  if (!absl::StrContains(*text, "-----BEGIN ")) {
    return absl::InvalidArgumentError(
        absl::StrCat(flag, ": '", path, "' is not a PEM file"));
  }
  return *text;
}

struct Pems {
  std::string cert, key, ca;
};

absl::StatusOr<Pems> ReadPems(const Security& security) {
  Pems pems;
  AHA_ASSIGN_OR_RETURN(pems.cert, ReadPem(security.tls_cert, "--tls-cert"));
  AHA_ASSIGN_OR_RETURN(pems.key, ReadPem(security.tls_key, "--tls-key"));
  AHA_ASSIGN_OR_RETURN(pems.ca, ReadPem(security.tls_ca, "--tls-ca"));
  return pems;
}

}  // namespace

absl::Status Security::Validate() const {
  const int files = !tls_cert.empty() + !tls_key.empty() + !tls_ca.empty();
  if (files != 0 && files != 3) {
    return absl::InvalidArgumentError(
        absl::StrCat("--tls-cert, --tls-key and --tls-ca go together; missing:",
                     tls_cert.empty() ? " --tls-cert" : "",
                     tls_key.empty() ? " --tls-key" : "",
                     tls_ca.empty() ? " --tls-ca" : ""));
  }
  if (files == 3 && insecure) {
    return absl::InvalidArgumentError(
        "--insecure and --tls-cert exclude each other");
  }
  if (files == 0 && !tls_server_name.empty()) {
    return absl::InvalidArgumentError(absl::StrCat(
        "--tls-server-name '", tls_server_name,
        "' is for TLS: give --tls-cert, --tls-key and --tls-ca as well"));
  }
  return absl::OkStatus();
}

absl::Status CheckAllowed(absl::string_view address, const Security& security) {
  AHA_RETURN_IF_ERROR(security.Validate());
  if (const auto parsed = ParseAddress(address); !parsed.ok()) {
    return parsed.status();
  }
  if (IsLoopback(address) || security.tls() || security.insecure) {
    return absl::OkStatus();
  }
  return absl::InvalidArgumentError(absl::StrCat(
      address,
      " is not a loopback address: give --tls-cert, --tls-key and "
      "--tls-ca, or --insecure to send plain text over the network"));
}

absl::StatusOr<std::shared_ptr<grpc::ChannelCredentials>> ClientCredentials(
    absl::string_view address, const Security& security) {
  AHA_RETURN_IF_ERROR(CheckAllowed(address, security));
  if (!security.tls()) return grpc::InsecureChannelCredentials();
  AHA_ASSIGN_OR_RETURN(const Pems pems, ReadPems(security));
  grpc::SslCredentialsOptions options;
  options.pem_root_certs = pems.ca;
  options.pem_private_key = pems.key;
  options.pem_cert_chain = pems.cert;
  return grpc::SslCredentials(options);
}

absl::StatusOr<std::shared_ptr<grpc::ServerCredentials>> ServerSideCredentials(
    absl::string_view address, const Security& security) {
  AHA_RETURN_IF_ERROR(CheckAllowed(address, security));
  if (!security.tls()) return grpc::InsecureServerCredentials();
  AHA_ASSIGN_OR_RETURN(const Pems pems, ReadPems(security));
  grpc::SslServerCredentialsOptions options(
      GRPC_SSL_REQUEST_AND_REQUIRE_CLIENT_CERTIFICATE_AND_VERIFY);
  options.pem_root_certs = pems.ca;
  options.pem_key_cert_pairs.push_back({pems.key, pems.cert});
  auto credentials = grpc::SslServerCredentials(options);
  credentials->SetAuthMetadataProcessor(NewAccessControl());
  return credentials;
}

}  // namespace aha::rpc
