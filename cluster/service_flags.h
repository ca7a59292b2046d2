// Flags, exit codes and main function that the four service processes share.
#pragma once

#include <functional>
#include <memory>
#include <optional>
#include <string>

#include "absl/status/status.h"
#include "base/cancellation.h"
#include "base/exit_code.h"
#include "rpc/health.h"
#include "rpc/security.h"

namespace CLI {
class App;
}  // namespace CLI

namespace aha::rpc {

struct ServiceFlags {
  std::string listen = "127.0.0.1:0";
  std::string metrics_listen = "127.0.0.1:0";  // Empty: no metrics.
  std::string coordinator;  // host:port; empty in the coordinator itself.
  std::string name;         // "actor-0"; in logs, metrics and errors.
  Security security = {};
  std::string log_level = "info";
  std::string health_listen;   // Empty: no separate health address.
  std::string advertise_host;  // Empty: see ServerOptions.
  bool linger = false;         // Stay when the work is done, until SIGTERM.
  // The server at health_listen, once StartHealth ran; outlives the service.
  std::shared_ptr<HealthServer> health;
};

enum class DialsCoordinator { kYes, kNo };

// Adds the flags of ServiceFlags and --version to `app`.  Each may also come
// from the environment: --metrics-listen from AHA_METRICS_LISTEN; the command
// line wins.  `flags` must outlive the parsing.
void AddServiceFlags(CLI::App& app, DialsCoordinator dials,
                     ServiceFlags& flags);

// Parses the command line, validates the flags, and sets the log's identity
// ("aha-actor[actor-0]") and level.  A value is the exit code to leave with:
// 0 after --help and --version, 78 after an error (already printed).
std::optional<int> ParseServiceFlags(CLI::App& app, int argc, char** argv,
                                     const ServiceFlags& flags);

// 0: clean stop.  78: refused, do not restart (INVALID_ARGUMENT,
// FAILED_PRECONDITION, ALREADY_EXISTS, UNAUTHENTICATED, PERMISSION_DENIED,
// UNIMPLEMENTED: flags, configuration, certificate, version, port in use, the
// peer is not a coordinator).  1: anything else, restart.
using aha::kExitRefused;
int ExitCode(const absl::Status& status);

// Logs an error status and returns its exit code.
int Exit(const absl::Status& status);

// The rest of a service's main: serves health at --health-listen, runs, and
// exits as above.  `stop`, which the service may cancel too, is cancelled with
// `terminated`.  With --linger a service whose work is done waits for the
// latter first: where processes that end are always restarted, as in
// Kubernetes, this keeps a finished job from being restarted for ever.
int RunService(ServiceFlags& flags, Cancellation& terminated,
               const std::function<absl::Status(Cancellation& stop)>& run);

// Removes the environment variables that a service reads, so that the services
// that this process starts are configured by their command lines alone.
void ForgetServiceEnvironment();

}  // namespace aha::rpc
