// A health service on an address of its own, for probes.
//
// Kubernetes' gRPC probes use no TLS, so they cannot query the health service
// of an rpc::Server with mutual TLS, and an actor has no rpc::Server at all.
// This one is always plain text and holds no data: it serves the health
// service's names "", "liveness" and "readiness", and nothing else.
//
// Thread-safe.
#pragma once

#include <memory>
#include <string>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/time/time.h"

namespace aha::rpc {

class HealthServer {
 public:
  // Starts alive and not ready.  ALREADY_EXISTS: the port is in use.
  static absl::StatusOr<std::unique_ptr<HealthServer>> Start(
      const std::string& listen);
  ~HealthServer();
  HealthServer(const HealthServer&) = delete;
  HealthServer& operator=(const HealthServer&) = delete;

  int port() const;
  void SetReady(bool ready);

 private:
  struct State;
  explicit HealthServer(std::unique_ptr<State> state);
  std::unique_ptr<State> state_;
};

// Whether `service` ("liveness", "readiness") at `address` is SERVING.
// NOT_FOUND: there is no such service.  UNAVAILABLE, DEADLINE_EXCEEDED: the
// address does not answer.
absl::StatusOr<bool> IsServing(const std::string& address,
                               const std::string& service,
                               absl::Duration timeout);

}  // namespace aha::rpc
