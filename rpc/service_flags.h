// Flags and exit codes that the four services share.
#pragma once

#include <optional>
#include <string>

#include "absl/status/status.h"
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
};

enum class DialsCoordinator { kYes, kNo };

// Adds --listen, --metrics-listen, --coordinator (required, if the service
// dials it), --name, --tls-cert, --tls-key, --tls-ca, --insecure, --log-level
// and --version to `app`.  `flags` must outlive the parsing.
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
// peer is no coordinator).  1: anything else, restart.
constexpr int kExitRefused = 78;
int ExitCode(const absl::Status& status);

// Logs an error status and gives its exit code: `return rpc::Exit(Run(...));`
int Exit(const absl::Status& status);

}  // namespace aha::rpc
