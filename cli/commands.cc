#include "cli/commands.h"

#include <unistd.h>

#include <CLI/CLI.hpp>
#include <cstdio>
#include <cstdlib>
#include <filesystem>
#include <nlohmann/json.hpp>
#include <system_error>

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/strip.h"
#include "base/status.h"

namespace aha::cli {
namespace {

// A coordinator on this machine answers at once or is gone.
constexpr absl::Duration kLocalDeadline = absl::Seconds(3);

Completes CompletesOf(const std::string& type_name) {
  if (type_name == "JOB") return Completes::kJob;
  if (type_name == "DIR") return Completes::kDirectory;
  if (type_name == "FILE") return Completes::kFile;
  return Completes::kNothing;
}

OptionNode Describe(const CLI::Option& option) {
  OptionNode node;
  for (const std::string& name : option.get_lnames()) {
    node.names.push_back("--" + name);
  }
  for (const std::string& name : option.get_snames()) {
    node.names.push_back("-" + name);
  }
  node.help = option.get_description();
  node.takes_value = option.get_expected_max() > 0;
  node.value = CompletesOf(option.get_type_name());
  if (option.get_single_name() == "output") {
    node.value = Completes::kWords;
    node.words = {"table", "json", "yaml"};
  }
  return node;
}

}  // namespace

absl::StatusOr<RunDirectory> Target::Run() const {
  return ResolveRun(name, dir, runs);
}

absl::StatusOr<std::unique_ptr<AdminClient>> Target::Connect() const {
  if (!admin.address.empty()) return AdminClient::New(admin);
  AHA_ASSIGN_OR_RETURN(const RunDirectory run, Run());
  const absl::StatusOr<Endpoint> endpoint = run.ReadEndpoint();
  if (!endpoint.ok() || !ProcessIsAlive(endpoint->pid)) {
    return absl::UnavailableError(absl::StrCat(
        "the job in ", run.path(), " does not run now (no coordinator); ",
        "go on with `ahactl run --resume --dir ", run.path(), "`"));
  }
  AdminOptions local = admin;
  local.address = endpoint->address;
  local.deadline = kLocalDeadline;
  return AdminClient::New(local);
}

absl::StatusOr<JobView> Target::View() const {
  if (!admin.address.empty()) {
    AHA_ASSIGN_OR_RETURN(const auto client, Connect());
    return client->GetJob();
  }
  AHA_ASSIGN_OR_RETURN(const RunDirectory run, Run());
  absl::StatusOr<std::unique_ptr<AdminClient>> client = Connect();
  if (client.ok()) {
    absl::StatusOr<JobView> live = (*client)->GetJob();
    if (live.ok()) {
      live->run_directory = run.path();
      return live;
    }
    JobView view = run.ViewFromFiles();
    // Alive but silent: starting, ending, or stuck.
    if (view.state == JobState::kInterrupted) view.state = JobState::kUnknown;
    return view;
  }
  return run.ViewFromFiles();
}

void AddOutputOption(CLI::App& command, Context& context) {
  command.add_option("-o,--output", context.output, "table, json or yaml")
      ->check(CLI::IsMember({"table", "json", "yaml"}))
      ->type_name("FORMAT")
      ->capture_default_str();
}

void AddTargetOptions(CLI::App& command, Target& target, Selects selects) {
  if (selects == Selects::kNamedJob) {
    command
        .add_option("NAME", target.name,
                    "Job, or its run directory; the latest if left out")
        ->type_name("JOB");
  }
  if (selects != Selects::kAllJobs) {
    command.add_option("--dir", target.dir, "Run directory")->type_name("DIR");
  }
  command
      .add_option("--runs", target.runs, "Where run directories are looked for")
      ->type_name("DIR")
      ->capture_default_str();
  command
      .add_option("--address", target.admin.address,
                  "Coordinator to ask instead, host:port")
      ->type_name("HOST:PORT");
  command.add_option("--tls-cert", target.admin.tls_cert, "Certificate, PEM")
      ->type_name("FILE");
  command.add_option("--tls-key", target.admin.tls_key, "Its key, PEM")
      ->type_name("FILE");
  command.add_option("--tls-ca", target.admin.tls_ca, "Authority, PEM")
      ->type_name("FILE");
  command.add_flag("--insecure", target.admin.insecure,
                   "Allow plain text beyond this machine");
}

void AddSetOption(CLI::App& command, std::vector<std::string>& overrides) {
  command
      .add_option("--set", overrides,
                  "Override a key: seed=7, stages[0].sft.steps=50; repeatable")
      ->type_name("KEY=VALUE")
      ->expected(1)
      ->multi_option_policy(CLI::MultiOptionPolicy::TakeAll);
}

CommandNode DescribeCommands(const CLI::App& app) {
  CommandNode node;
  node.name = app.get_name();
  node.help = app.get_description().substr(0, app.get_description().find('\n'));
  for (const CLI::Option* option : app.get_options()) {
    if (option->get_positional()) {
      node.argument = CompletesOf(option->get_type_name());
      if (option->get_type_name() == "SHELL") {
        node.argument = Completes::kWords;
        node.words = {"bash", "zsh", "fish"};
      }
    } else {
      node.options.push_back(Describe(*option));
    }
  }
  for (const CLI::App* child : app.get_subcommands({})) {
    node.commands.push_back(DescribeCommands(*child));
  }
  return node;
}

std::string ProgramDirectory() {
  const char* chosen = std::getenv("AHA_BIN_DIR");
  if (chosen != nullptr && *chosen != '\0') return chosen;
  std::error_code error;
  const std::filesystem::path self =
      std::filesystem::read_symlink("/proc/self/exe", error);
  return error ? "." : self.parent_path().string();
}

}  // namespace aha::cli
