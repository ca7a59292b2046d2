// The aha-actor process: composes the model, the membership and the metrics of
// one actor.
#pragma once

#include <string>

#include "absl/status/status.h"
#include "base/cancellation.h"
#include "cluster/service_flags.h"

namespace aha::actor {

struct AppOptions {
  rpc::ServiceFlags flags;
  int threads = 0;             // 0: the job's cluster.threads, or by the cores.
  std::string device = "cpu";  // A name that ops::ParseDevice knows.
};

// Runs until `stop`, until the coordinator ends it, or until an error.
absl::Status Run(const AppOptions& options, rpc::Cancellation& stop);

}  // namespace aha::actor
