// Converts statuses between Abseil and gRPC.  Both use the canonical codes, so
// both conversions are casts.
#pragma once

#include <string>

#include "absl/status/status.h"
#include "absl/strings/str_cat.h"
#include "grpcpp/support/status.h"

namespace aha::rpc {

inline grpc::Status ToGrpc(const absl::Status& status) {
  return {static_cast<grpc::StatusCode>(status.code()),
          std::string(status.message())};
}

// The outcome of a call.  A CANCELLED that this side did not cause
// (`cancelled`) comes from a server that shuts down.  The next server may
// answer, so it becomes UNAVAILABLE, which is retried.
inline absl::Status FromGrpc(const grpc::Status& status, bool cancelled) {
  if (status.error_code() == grpc::StatusCode::CANCELLED && !cancelled) {
    return absl::UnavailableError(
        absl::StrCat("the server ended the call, as when it shuts down: ",
                     status.error_message()));
  }
  return absl::Status(static_cast<absl::StatusCode>(status.error_code()),
                      status.error_message());
}

}  // namespace aha::rpc
