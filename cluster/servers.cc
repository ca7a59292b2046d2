#include "cluster/servers.h"

#include "base/status.h"

namespace aha::rpc {

absl::StatusOr<std::unique_ptr<MetricsServer>> StartMetrics(
    const ServiceFlags& flags, const Metrics& metrics) {
  if (flags.metrics_listen.empty()) return nullptr;
  return MetricsServer::Start(flags.metrics_listen, metrics,
                              flags.advertise_host);
}

absl::StatusOr<Servers> StartServers(
    const ServiceFlags& flags, const Metrics& metrics,
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
