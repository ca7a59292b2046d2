// Statuses on their way through gRPC.  absl and gRPC share the canonical
// codes, so both conversions are casts.
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

// What became of a call.  Where nobody here cancelled it (`cancelled`), its
// server did, which shuts down: the next one may answer, so that is
// UNAVAILABLE.
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
