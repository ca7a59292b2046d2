#include "rpc/access.h"

#include <algorithm>

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "absl/strings/str_replace.h"
#include "absl/strings/strip.h"
#include "aha/v1/access.pb.h"
#include "google/protobuf/descriptor.h"
#include "grpc/grpc_security_constants.h"
#include "grpcpp/security/auth_context.h"
#include "grpcpp/security/auth_metadata_processor.h"
#include "grpcpp/server_context.h"
#include "rpc/status.h"

namespace aha::rpc {
namespace {

bool IsForEverybody(absl::string_view path) {
  return absl::StartsWith(path, "/grpc.health.v1.Health/") ||
         absl::StartsWith(path, "/grpc.reflection.v1alpha.ServerReflection/");
}

std::vector<std::string> CallersOf(absl::string_view path) {
  const std::string name =
      absl::StrReplaceAll(absl::StripPrefix(path, "/"), {{"/", "."}});
  const google::protobuf::MethodDescriptor* const method =
      google::protobuf::DescriptorPool::generated_pool()->FindMethodByName(
          name);
  if (method == nullptr) return {};
  const auto& own = method->options().GetRepeatedExtension(v1::callers);
  const auto& callers = own.empty()
                            ? method->service()->options().GetRepeatedExtension(
                                  v1::callers_of_all)
                            : own;
  return {callers.begin(), callers.end()};
}

std::string Names(const std::vector<std::string>& roles) {
  return roles.empty() ? "none" : absl::StrJoin(roles, ", ");
}

std::vector<std::string> RolesOfPeer(const grpc::AuthContext& identity) {
  std::vector<std::string> uris;
  for (const grpc::string_ref& uri :
       identity.FindPropertyValues(GRPC_PEER_URI_PROPERTY_NAME)) {
    uris.emplace_back(uri.data(), uri.size());
  }
  return RolesOf(uris);
}

class AccessControl : public grpc::AuthMetadataProcessor {
 public:
  bool IsBlocking() const override { return false; }

  grpc::Status Process(const InputMetadata& metadata,
                       grpc::AuthContext* identity, OutputMetadata*,
                       OutputMetadata*) override {
    const auto path = metadata.find(":path");
    if (path == metadata.end()) {
      return {grpc::StatusCode::PERMISSION_DENIED, "a call without a method"};
    }
    return ToGrpc(CheckCaller({path->second.data(), path->second.size()},
                              RolesOfPeer(*identity)));
  }
};

}  // namespace

std::vector<std::string> RolesOf(const std::vector<std::string>& uris) {
  std::vector<std::string> roles;
  for (const std::string& uri : uris) {
    absl::string_view role = uri;
    if (absl::ConsumePrefix(&role, kRoleUri)) roles.emplace_back(role);
  }
  return roles;
}

absl::Status CheckCaller(absl::string_view path,
                         const std::vector<std::string>& roles) {
  if (IsForEverybody(path)) return absl::OkStatus();
  const std::vector<std::string> callers = CallersOf(path);
  for (const std::string& role : roles) {
    if (std::find(callers.begin(), callers.end(), role) != callers.end()) {
      return absl::OkStatus();
    }
  }
  return absl::PermissionDeniedError(
      absl::StrCat(path, " is for the roles ", Names(callers),
                   "; the caller's certificate has ", Names(roles), " (URIs ",
                   kRoleUri, "<role> in its subject alternative names)"));
}

absl::Status CheckClaim(const grpc::ServerContextBase& context,
                        absl::string_view role) {
  const std::shared_ptr<const grpc::AuthContext> identity =
      context.auth_context();
  if (identity == nullptr || !identity->IsPeerAuthenticated()) {
    return absl::OkStatus();
  }
  const std::vector<std::string> roles = RolesOfPeer(*identity);
  if (std::find(roles.begin(), roles.end(), role) != roles.end()) {
    return absl::OkStatus();
  }
  return absl::PermissionDeniedError(
      absl::StrCat("the message says ", role,
                   "; the caller's certificate has the roles ", Names(roles)));
}

std::shared_ptr<grpc::AuthMetadataProcessor> NewAccessControl() {
  return std::make_shared<AccessControl>();
}

}  // namespace aha::rpc
