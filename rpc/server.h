// A gRPC server as every process of Aha runs it: with the health service (names
// "", "liveness" and "readiness"), reflection, keepalive, a message limit, and
// a shutdown with a deadline.
//
//   AHA_ASSIGN_OR_RETURN(auto server,
//                        rpc::Server::Start({.listen = flags.listen,
//                                            .security = flags.security},
//                                           {&service}));
//   ... server->address() ...
//   server->Shutdown(absl::Seconds(5));
//
// Starts alive and not ready; call SetReady(true).  Thread-safe.
#pragma once

#include <memory>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/time/time.h"
#include "rpc/health.h"
#include "rpc/security.h"

namespace grpc {
class Channel;
class Service;
}  // namespace grpc

namespace aha::rpc {

// The size limit of a message, in both directions, for servers and clients.
constexpr int kMaxMessageBytes = 64 << 20;

struct ServerOptions {
  std::string listen = "127.0.0.1:0";  // Port 0: the system chooses one.
  Security security = {};
  // The host that other processes dial.  Empty stands for the listen host, or
  // for this machine's name if that is a wildcard.
  std::string advertise_host = {};
  // SetReady sets this one's readiness too.  May be null; must outlive the
  // server.
  HealthServer* health = nullptr;
};

class Server {
 public:
  // The services must outlive the server.  ALREADY_EXISTS: the port is in use.
  // INVALID_ARGUMENT: the address needs TLS.
  static absl::StatusOr<std::unique_ptr<Server>> Start(
      const ServerOptions& options,
      const std::vector<grpc::Service*>& services);
  ~Server();  // Shutdown(0) if it was not called.
  Server(const Server&) = delete;
  Server& operator=(const Server&) = delete;

  int port() const;
  // The address that other processes dial (DialAddress).
  const std::string& address() const;

  void SetReady(bool ready);
  void SetAlive(bool alive);

  // Becomes not ready and accepts no new calls; running calls get `grace` to
  // end and are cancelled then.  Returns when all have ended.  Services that
  // hold calls open must end them before, or on cancellation.  Idempotent.
  void Shutdown(absl::Duration grace);

 private:
  struct State;
  explicit Server(std::unique_ptr<State> state);
  std::unique_ptr<State> state_;
};

}  // namespace aha::rpc
