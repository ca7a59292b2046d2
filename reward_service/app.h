// The reward service's process: its server, pipeline, membership and metrics,
// put together.
#pragma once

#include <string>
#include <vector>

#include "absl/status/status.h"
#include "base/cancellation.h"
#include "cluster/service_flags.h"

namespace aha::reward {

// Serves until `stop` is cancelled, the coordinator says that the job is over,
// or an error ends it.  Returns that error.
//
// Of the programs that a job's rewards name, only those in `allowed_commands`
// are run; a job that names another one fails with a line that says so.
absl::Status Run(const rpc::ServiceFlags& flags,
                 const std::vector<std::string>& allowed_commands,
                 rpc::Cancellation& stop);

}  // namespace aha::reward
