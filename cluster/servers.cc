#include "cluster/servers.h"

#include "base/status.h"

namespace aha::rpc {

absl::StatusOr<std::unique_ptr<metrics::Endpoint>> StartMetrics(
    const ServiceFlags& flags, const metrics::Registry& metrics) {
  if (flags.metrics_listen.empty()) return nullptr;
  return metrics::Endpoint::Start(flags.metrics_listen, metrics,
                                  flags.advertise_host);
}

absl::StatusOr<Servers> StartServers(
    const ServiceFlags& flags, const metrics::Registry& metrics,
    const std::vector<grpc::Service*>& services) {
  Servers servers;
  AHA_ASSIGN_OR_RETURN(servers.metrics, StartMetrics(flags, metrics));
  AHA_ASSIGN_OR_RETURN(servers.rpc,
                       Server::Start({.listen = flags.listen,
                                      .security = flags.security,
                                      .advertise_host = flags.advertise_host,
                                      .health = flags.health.get()},
                                     services));
  return servers;
}

}  // namespace aha::rpc
