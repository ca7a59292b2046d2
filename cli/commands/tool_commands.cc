// ahactl version, doctor, health and completion.
#include <gnu/libc-version.h>
#include <google/protobuf/stubs/common.h>
#include <grpcpp/grpcpp.h>
#include <sqlite3.h>
#include <unistd.h>

#include <CLI/CLI.hpp>
#include <algorithm>
#include <cstdio>
#include <cstdlib>
#include <nlohmann/json.hpp>

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "absl/strings/str_replace.h"
#include "base/address.h"
#include "base/version.h"
#include "cli/commands/commands.h"
#include "cli/commands/doctor.h"
#include "cli/local/gpus.h"
#include "cli/term/completion.h"
#include "cli/term/exit_code.h"
#include "cli/term/style.h"
#include "cli/term/text.h"
#include "dnnl.h"
#include "job/file/explain.h"
#include "rpc/health.h"
#include "rpc/security.h"

namespace aha::cli {
namespace {

// The versions that run, which need not be those that were compiled against.
Json Libraries() {
  const dnnl_version_t* onednn = dnnl_version();
  return {{"onednn",
           absl::StrCat(onednn->major, ".", onednn->minor, ".", onednn->patch)},
          {"grpc", grpc::Version()},
          {"protobuf",
           google::protobuf::internal::VersionString(GOOGLE_PROTOBUF_VERSION)},
          {"sqlite", sqlite3_libversion()}};
}

Json Versions() {
  Json versions = {{"aha", Version()}, {"compiler", __VERSION__}};
  versions.update(Libraries());
  versions["glibc"] = ::gnu_get_libc_version();
  return versions;
}

int PrintVersion(Output output) {
  Print(Versions(), absl::StrCat("ahactl ", Version(), "\n"), output);
  return kExitDone;
}

const char* ColorOf(Verdict verdict) {
  switch (verdict) {
    case Verdict::kOk:
      return "\x1b[32m";
    case Verdict::kWarn:
      return "\x1b[33m";
    case Verdict::kFail:
      return "\x1b[31m";
  }
  return "";
}

int Doctor(DoctorOptions options, Output output) {
  options.gpus = GpuText(FindGpus());
  const std::vector<Finding> findings = Examine(options);
  const bool failed = std::any_of(
      findings.begin(), findings.end(),
      [](const Finding& finding) { return finding.verdict == Verdict::kFail; });
  const int code = failed ? kExitError : kExitDone;
  if (output != Output::kTable) {
    Json list = Json::array();
    for (const Finding& finding : findings) {
      list.push_back({{"check", finding.name},
                      {"verdict", VerdictName(finding.verdict)},
                      {"found", finding.found},
                      {"advice", finding.advice}});
    }
    Print(list, "", output);
    return code;
  }
  const bool color = TerminalStyle(STDOUT_FILENO).color;
  for (const Finding& finding : findings) {
    std::printf("%s%-4s%s  %-10s  %s\n", color ? ColorOf(finding.verdict) : "",
                VerdictName(finding.verdict), color ? "\x1b[0m" : "",
                finding.name.c_str(), OneLine(finding.found).c_str());
    if (!finding.advice.empty()) {
      std::printf("                  what to do: %s\n", finding.advice.c_str());
    }
  }
  return code;
}

struct HealthOptions {
  std::string address;
  std::string service = "liveness";
  double seconds = 2;
};

// The health address that the process in the same container listens at.
std::string OwnHealthAddress() {
  const char* listen = std::getenv("AHA_HEALTH_LISTEN");
  if (listen == nullptr) return "";
  const absl::StatusOr<HostPort> parsed = ParseAddress(listen);
  if (!parsed.ok()) return "";
  const bool any = parsed->host == "0.0.0.0" || parsed->host == "::";
  return any ? absl::StrCat("127.0.0.1:", parsed->port) : std::string(listen);
}

int Health(HealthOptions options, Output output) {
  if (options.address.empty()) options.address = OwnHealthAddress();
  if (const auto parsed = ParseAddress(options.address); !parsed.ok()) {
    return Report(absl::InvalidArgumentError(absl::StrCat(
        "--address (or AHA_HEALTH_LISTEN): ", parsed.status().message())));
  }
  const absl::StatusOr<bool> serving = rpc::IsServing(
      options.address, options.service, absl::Seconds(options.seconds));
  if (!serving.ok()) return Report(serving.status());
  Print({{"address", options.address},
         {"service", options.service},
         {"serving", *serving}},
        absl::StrCat(options.service, " at ", options.address, ": ",
                     *serving ? "serving\n" : "not serving\n"),
        output);
  return *serving ? kExitDone : kExitError;
}

void AddVersion(CLI::App& app, Context& context) {
  CLI::App* version =
      app.add_subcommand("version", "Print the version of this program");
  version->footer(
      "Examples:\n"
      "  ahactl version -o json    with the versions of the libraries");
  AddOutputOption(*version, context);
  version->callback([&context] {
    context.action = [&context] { return PrintVersion(context.Format()); };
  });
}

void AddDoctor(CLI::App& app, Context& context) {
  const auto options = std::make_shared<DoctorOptions>();
  CLI::App* doctor = app.add_subcommand(
      "doctor",
      "Check whether this machine is fit; exit 1 if something must be done");
  doctor->footer(
      "It prints one line for each check: ok, warn (jobs run; read the "
      "advice) or "
      "fail.\n\n"
      "Examples:\n"
      "  ahactl doctor\n"
      "  ahactl doctor --dir /data/runs -o json | jq '.[] | "
      "select(.verdict != \"ok\")'");
  doctor->add_option("--dir", options->directory, "Where runs will be written")
      ->type_name("DIR")
      ->capture_default_str();
  AddOutputOption(*doctor, context);
  doctor->callback([options, &context] {
    context.action = [options, &context] {
      options->bin_dir = ProgramDirectory();
      std::vector<std::string> libraries;
      const Json versions = Libraries();
      for (const auto& [name, version] : versions.items()) {
        libraries.push_back(
            absl::StrCat(name, " ", version.get<std::string>()));
      }
      options->libraries = absl::StrJoin(libraries, ", ");
      return Doctor(*options, context.Format());
    };
  });
}

void AddHealth(CLI::App& app, Context& context) {
  const auto health = std::make_shared<HealthOptions>();
  CLI::App* probe = app.add_subcommand(
      "health",
      "Ask a process for its health; exit 0 if it serves, for probes");
  probe
      ->add_option("--address", health->address,
                   "HOST:PORT of --health-listen; AHA_HEALTH_LISTEN if absent")
      ->type_name("HOST:PORT");
  probe->add_option("--service", health->service, "liveness or readiness")
      ->check(CLI::IsMember({"liveness", "readiness"}))
      ->capture_default_str();
  probe->add_option("--timeout", health->seconds, "Seconds to wait")
      ->check(CLI::Range(0.1, 60.0))
      ->capture_default_str();
  AddOutputOption(*probe, context);
  probe->footer(
      "Examples:\n"
      "  ahactl health --address 127.0.0.1:7002\n"
      "  ahactl health --service readiness        at AHA_HEALTH_LISTEN");
  probe->callback([health, &context] {
    context.action = [health, &context] {
      return Health(*health, context.Format());
    };
  });
}

// The keys of a job file as --set takes them.
std::vector<std::string> JobKeys() {
  std::vector<std::string> keys;
  const absl::StatusOr<std::vector<KeyInfo>> infos = ExplainKeys("");
  if (!infos.ok()) return keys;
  for (const KeyInfo& info : *infos) {
    // A map has no value of its own.
    if (info.type == "map" || absl::StartsWith(info.type, "list of maps")) {
      continue;
    }
    keys.push_back(absl::StrReplaceAll(info.path, {{"[]", "[0]"}}));
  }
  return keys;
}

void AddCompletion(CLI::App& app, Context& context) {
  const auto shell = std::make_shared<std::string>();
  CLI::App* completion =
      app.add_subcommand("completion", "Print a shell completion script");
  completion->footer(
      "Examples:\n"
      "  source <(ahactl completion bash)       # in ~/.bashrc\n"
      "  source <(ahactl completion zsh)        # in ~/.zshrc\n"
      "  ahactl completion fish | source        # in config.fish");
  completion->add_option("SHELL", *shell, "bash, zsh or fish")
      ->type_name("SHELL")
      ->required();
  AddOutputOption(*completion, context);
  completion->callback([shell, &app, &context] {
    context.action = [shell, &app, &context] {
      const absl::StatusOr<std::string> script =
          CompletionScript(DescribeCommands(app, JobKeys()), *shell);
      if (!script.ok()) return Report(script.status());
      Print({{"shell", *shell}, {"script", *script}}, *script,
            context.Format());
      return kExitDone;
    };
  });
}

}  // namespace

void AddToolCommands(CLI::App& app, Context& context) {
  AddVersion(app, context);
  AddDoctor(app, context);
  AddHealth(app, context);
  AddCompletion(app, context);
}

}  // namespace aha::cli
