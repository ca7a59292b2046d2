#include "cluster/service_flags.h"

#include <CLI/CLI.hpp>
#include <cstdlib>
#include <iostream>
#include <utility>

#include "absl/strings/str_cat.h"
#include "base/address.h"
#include "base/log.h"
#include "base/status.h"
#include "base/version.h"

namespace aha::rpc {
namespace {

LogLevel ToLevel(const std::string& name) {
  if (name == "debug") return LogLevel::kDebug;
  if (name == "warning") return LogLevel::kWarning;
  if (name == "error") return LogLevel::kError;
  return LogLevel::kInfo;
}

absl::Status Check(const std::string& address, const char* flag) {
  const absl::StatusOr<HostPort> parsed = ParseAddress(address);
  if (parsed.ok()) return absl::OkStatus();
  return absl::InvalidArgumentError(
      absl::StrCat(flag, ": ", parsed.status().message()));
}

absl::Status Validate(const ServiceFlags& flags) {
  AHA_RETURN_IF_ERROR(flags.security.Validate());
  AHA_RETURN_IF_ERROR(Check(flags.listen, "--listen"));
  if (!flags.metrics_listen.empty()) {
    AHA_RETURN_IF_ERROR(Check(flags.metrics_listen, "--metrics-listen"));
  }
  if (!flags.health_listen.empty()) {
    AHA_RETURN_IF_ERROR(Check(flags.health_listen, "--health-listen"));
  }
  if (!flags.coordinator.empty()) {
    AHA_RETURN_IF_ERROR(Check(flags.coordinator, "--coordinator"));
  }
  return absl::OkStatus();
}

}  // namespace

void AddServiceFlags(CLI::App& app, DialsCoordinator dials,
                     ServiceFlags& flags) {
  app.set_version_flag("--version", std::string(Version()));
  app.add_option("--listen", flags.listen,
                 "host:port to serve gRPC at; port 0 takes a free one")
      ->envname("AHA_LISTEN")
      ->capture_default_str();
  app.add_option("--metrics-listen", flags.metrics_listen,
                 "host:port to serve Prometheus metrics at; empty: no metrics")
      ->envname("AHA_METRICS_LISTEN")
      ->capture_default_str();
  app.add_option("--health-listen", flags.health_listen,
                 "host:port to serve health at, in plain text, for probes; "
                 "empty: only beside gRPC")
      ->envname("AHA_HEALTH_LISTEN");
  app.add_option("--advertise-host", flags.advertise_host,
                 "Host that other processes dial; by default that of --listen")
      ->envname("AHA_ADVERTISE_HOST");
  if (dials == DialsCoordinator::kYes) {
    app.add_option("--coordinator", flags.coordinator,
                   "host:port of the coordinator")
        ->envname("AHA_COORDINATOR")
        ->required();
  }
  app.add_option("--name", flags.name,
                 "Name of this process, unique in its role")
      ->envname("AHA_NAME");
  app.add_option("--tls-cert", flags.security.tls_cert,
                 "PEM file: this process's certificate")
      ->envname("AHA_TLS_CERT");
  app.add_option("--tls-key", flags.security.tls_key,
                 "PEM file: the certificate's private key")
      ->envname("AHA_TLS_KEY");
  app.add_option("--tls-ca", flags.security.tls_ca,
                 "PEM file: the authority that signed every certificate")
      ->envname("AHA_TLS_CA");
  app.add_option("--tls-server-name", flags.security.tls_server_name,
                 "Name that the certificates of other processes must have; the "
                 "dialled host if absent")
      ->envname("AHA_TLS_SERVER_NAME");
  app.add_flag("--insecure", flags.security.insecure,
               "Allow plain text on addresses that are not loopback")
      ->envname("AHA_INSECURE");
  app.add_flag("--linger", flags.linger,
               "Stay when the work is done, until SIGTERM")
      ->envname("AHA_LINGER");
  app.add_option("--log-level", flags.log_level,
                 "Lowest level of log lines that are written")
      ->envname("AHA_LOG_LEVEL")
      ->check(CLI::IsMember({"debug", "info", "warning", "error"}))
      ->capture_default_str();
}

std::optional<int> ParseServiceFlags(CLI::App& app, int argc, char** argv,
                                     const ServiceFlags& flags) {
  try {
    app.parse(argc, argv);
  } catch (const CLI::Success& done) {  // --help, --version
    return app.exit(done);
  } catch (const CLI::ParseError& error) {
    std::cerr << app.get_name() << ": " << error.what() << "\n"
              << "Run with --help for the flags.\n";
    return kExitRefused;
  }
  if (const absl::Status status = Validate(flags); !status.ok()) {
    std::cerr << app.get_name() << ": " << status.message() << "\n";
    return kExitRefused;
  }
  SetLogLevel(ToLevel(flags.log_level));
  SetLogIdentity(flags.name.empty()
                     ? app.get_name()
                     : absl::StrCat(app.get_name(), "[", flags.name, "]"));
  return std::nullopt;
}

int ExitCode(const absl::Status& status) {
  switch (status.code()) {
    case absl::StatusCode::kOk:
      return 0;
    case absl::StatusCode::kInvalidArgument:
    case absl::StatusCode::kFailedPrecondition:
    case absl::StatusCode::kAlreadyExists:
    case absl::StatusCode::kUnauthenticated:
    case absl::StatusCode::kPermissionDenied:
    case absl::StatusCode::kUnimplemented:
      return kExitRefused;
    default:
      return 1;
  }
}

int Exit(const absl::Status& status) {
  if (!status.ok()) {
    AHA_LOG(kError) << std::string(status.message());
  }
  return ExitCode(status);
}

int RunService(ServiceFlags& flags, Cancellation& terminated,
               const std::function<absl::Status(Cancellation& stop)>& run) {
  if (!flags.health_listen.empty()) {
    absl::StatusOr<std::unique_ptr<HealthServer>> health =
        HealthServer::Start(flags.health_listen);
    if (!health.ok()) return Exit(health.status());
    flags.health = *std::move(health);
  }
  Cancellation stop;
  const Cancellation::Registration end(&terminated, [&] { stop.Cancel(); });
  const absl::Status status = run(stop);
  if (status.ok() && flags.linger && !terminated.cancelled()) {
    AHA_LOG(kInfo) << "done; waiting for SIGTERM (--linger)";
    while (!terminated.SleepFor(absl::Hours(1))) {
    }
  }
  return Exit(status);
}

void ForgetServiceEnvironment() {
  CLI::App app;
  ServiceFlags flags;
  AddServiceFlags(app, DialsCoordinator::kYes, flags);
  for (const CLI::Option* option : app.get_options()) {
    if (!option->get_envname().empty()) {
      unsetenv(option->get_envname().c_str());
    }
  }
  for (const char* of_one_service :
       {"AHA_JOB", "AHA_RUN_DIR", "AHA_RUNS", "AHA_RESUME", "AHA_RANK",
        "AHA_THREADS", "AHA_DEVICE", "AHA_ALLOW_COMMAND"}) {
    unsetenv(of_one_service);
  }
}

}  // namespace aha::rpc
