// A standing coordinator: it has no job of its own, but runs one job after
// another as `ahactl submit` gives them to it, each in a directory below a root
// and all behind the same server (host.h).
//
// After a crash it continues the job that it had.
#pragma once

#include <string>
#include <vector>

#include "absl/status/status.h"
#include "base/cancellation.h"
#include "cluster/service_flags.h"

namespace aha::coordinator {

// Returns after `stop`.  FAILED_PRECONDITION, ALREADY_EXISTS: refused, for the
// reasons of Host::Start, Submissions::Open and HostedJob::Open.
//
// A submission whose rewards name a program that is not in `allowed_commands`
// is refused.
absl::Status RunStanding(const rpc::ServiceFlags& flags,
                         const std::string& root,
                         const std::vector<std::string>& allowed_commands,
                         rpc::Cancellation& stop);

}  // namespace aha::coordinator
