// Starts the two servers of a service process, metrics and RPCs, as its flags
// say.
#pragma once

#include <memory>
#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "cluster/service_flags.h"
#include "metrics/endpoint.h"
#include "metrics/registry.h"
#include "rpc/server.h"

namespace aha::rpc {

// Null without --metrics-listen.  `metrics` must outlive it.
absl::StatusOr<std::unique_ptr<metrics::Endpoint>> StartMetrics(
    const ServiceFlags& flags, const metrics::Registry& metrics);

struct Servers {
  std::unique_ptr<metrics::Endpoint> metrics;  // What StartMetrics started.
  std::unique_ptr<Server> rpc;

  std::string metrics_address() const {
    return metrics ? metrics->address() : "";
  }
};
// `metrics` and the services must outlive them.
absl::StatusOr<Servers> StartServers(
    const ServiceFlags& flags, const metrics::Registry& metrics,
    const std::vector<grpc::Service*>& services);

}  // namespace aha::rpc
