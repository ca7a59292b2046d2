// Health on an address of its own, for probes.
//
// Kubernetes' gRPC probes speak no TLS, so the health service that every
// rpc::Server has cannot be asked where mutual TLS is on, and an actor serves
// nothing at all.  This one is always plain text and holds no data: the health
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
  // Alive and not ready.  ALREADY_EXISTS: the port is in use.
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

// True: `service` ("liveness", "readiness") at `address` is SERVING. NOT_FOUND:
// no such service; UNAVAILABLE, DEADLINE_EXCEEDED: nobody answers.
absl::StatusOr<bool> IsServing(const std::string& address,
                               const std::string& service,
                               absl::Duration timeout);

}  // namespace aha::rpc
