// Access control where connections use mutual TLS: which roles may call which
// methods.
//
// A certificate states the roles of its holder as URI subject alternative
// names, "urn:aha:role:actor"; a method or service states the roles that may
// call it with the options of aha/v1/access.proto.  A method without such an
// option may not be called at all.  gRPC's own health and reflection services
// may be called with every certificate of the authority.  The check finds a
// method by its path at run time, because gRPC gives an AuthMetadataProcessor
// nothing else; tests/rpc/access_test.cc walks over all methods.
// deploy/make-certificates writes such certificates.
//
// Without TLS (loopback, --insecure) callers have no identity, and every call
// is allowed.
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

// PERMISSION_DENIED, naming the method, the roles that may call it and the
// roles that the caller has.  `path` is "/aha.v1.Admin/StopJob".
absl::Status CheckCaller(absl::string_view path,
                         const std::vector<std::string>& roles);

// PERMISSION_DENIED if the caller's certificate does not have `role`.  A
// handler checks with it the role that a message claims.
absl::Status CheckClaim(const grpc::ServerContextBase& context,
                        absl::string_view role);

// Applies CheckCaller to every call of a server.
std::shared_ptr<grpc::AuthMetadataProcessor> NewAccessControl();

}  // namespace aha::rpc
