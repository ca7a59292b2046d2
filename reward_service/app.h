// The reward service's process: its server, pipeline, membership and metrics,
// put together.
#pragma once

#include "absl/status/status.h"
#include "base/cancellation.h"
#include "cluster/service_flags.h"

namespace aha::reward {

// Serves until `stop` is cancelled, the coordinator says that the job is over,
// or an error ends it.  Returns that error.
absl::Status Run(const rpc::ServiceFlags& flags, rpc::Cancellation& stop);

}  // namespace aha::reward
