// The HTTP endpoint that Prometheus scrapes: GET /metrics.
//
//   AHA_ASSIGN_OR_RETURN(auto endpoint,
//                        metrics::Endpoint::Start("127.0.0.1:0", registry));
//
// It serves plain HTTP on any address: metrics are not secret, and Prometheus
// and probes present no certificate.  Thread-safe.
#pragma once

#include <memory>
#include <string>

#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "metrics/registry.h"

namespace aha::metrics {

class Endpoint {
 public:
  // `registry` must outlive it.  ALREADY_EXISTS: the port is in use.
  static absl::StatusOr<std::unique_ptr<Endpoint>> Start(
      absl::string_view listen, const Registry& registry,
      const std::string& advertise_host = "");
  ~Endpoint();
  Endpoint(const Endpoint&) = delete;
  Endpoint& operator=(const Endpoint&) = delete;

  // Serves these series too, until they are destroyed.
  void Add(const Registry& registry);

  // The address that other processes dial (DialAddress).
  const std::string& address() const;

 private:
  struct State;
  explicit Endpoint(std::unique_ptr<State> state);
  std::unique_ptr<State> state_;
};

}  // namespace aha::metrics
