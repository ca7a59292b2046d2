// aha-reward: the pipeline, its server, its membership and its metrics, put
// together.
#pragma once

#include "absl/status/status.h"
#include "base/cancellation.h"
#include "cluster/service_flags.h"

namespace aha::reward {

// Serves until `stop`, the coordinator's word, or an error.
absl::Status Run(const rpc::ServiceFlags& flags, rpc::Cancellation& stop);

}  // namespace aha::reward
