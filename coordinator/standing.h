// A coordinator without a job of its own: takes one after another from
// `ahactl submit`, each in a directory below a root, always at the same
// address.
//
//   lobby --submit--> app --job ended--> lobby ...
//
// A coordinator that died goes on with the job that it had.
#pragma once

#include <string>

#include "absl/status/status.h"
#include "base/cancellation.h"
#include "cluster/service_flags.h"

namespace aha::coordinator {

// Until `stop`.  FAILED_PRECONDITION, ALREADY_EXISTS: refused, as of
// App::Start.
absl::Status RunStanding(rpc::ServiceFlags flags, const std::string& root,
                         rpc::Cancellation& stop);

}  // namespace aha::coordinator
