// Who may call what, where connections are mutual TLS.
//
// A certificate says what its holder is in URI subject alternative names,
// "urn:aha:role:actor"; methods and services say who may call them with the
// options of aha/v1/access.proto.  What names nobody is for nobody; gRPC's own
// health and reflection services are for every certificate of the authority.
// deploy/make-certificates writes such certificates.
//
// Without TLS (loopback, --insecure) there is no identity and no control.
#pragma once

#include <memory>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "absl/strings/string_view.h"

namespace grpc {
class AuthMetadataProcessor;
class ServerContextBase;
}  // namespace grpc

namespace aha::rpc {

inline constexpr absl::string_view kRoleUri = "urn:aha:role:";

// The roles among a certificate's URIs.
std::vector<std::string> RolesOf(const std::vector<std::string>& uris);

// PERMISSION_DENIED naming the method, the roles it is for and the roles that
// the caller has.  `path` is "/aha.v1.Admin/StopJob".
absl::Status CheckCaller(absl::string_view path,
                         const std::vector<std::string>& roles);

// PERMISSION_DENIED if the caller came over TLS with a certificate that is not
// for `role`: what a handler asks when the message claims one.
absl::Status CheckClaim(const grpc::ServerContextBase& context,
                        absl::string_view role);

// Does CheckCaller for every call of a server.
std::shared_ptr<grpc::AuthMetadataProcessor> NewAccessControl();

}  // namespace aha::rpc
