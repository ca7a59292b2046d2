#include "cli/commands/commands.h"

#include <unistd.h>

#include <CLI/CLI.hpp>
#include <cstdio>
#include <cstdlib>
#include <filesystem>
#include <nlohmann/json.hpp>
#include <system_error>

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "absl/strings/strip.h"
#include "base/status.h"

namespace aha::cli {
namespace {

// A coordinator on this machine answers at once or is gone.
constexpr absl::Duration kLocalDeadline = absl::Seconds(3);
// A coordinator elsewhere may be started again meanwhile.
constexpr absl::Duration kPatience = absl::Seconds(30);

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
  if (!Remote()) return ResolveRun(name, dir, runs);
  if (remote_ == nullptr) {
    std::string job = name;
    if (job.empty()) {
      AHA_ASSIGN_OR_RETURN(const JobView view, RemoteView());
      job = view.name;
    }
    AHA_ASSIGN_OR_RETURN(remote_, RemoteRun::Open(admin, job));
  }
  return remote_->directory();
}

absl::Status Target::Fetch(const std::string& path) const {
  return remote_ == nullptr ? absl::OkStatus() : remote_->Fetch(path);
}

absl::StatusOr<std::unique_ptr<AdminClient>> Target::Connect() const {
  if (Remote()) return AdminClient::New(admin);
  AHA_ASSIGN_OR_RETURN(const RunDirectory run, Run());
  const absl::StatusOr<Endpoint> endpoint = run.ReadEndpoint();
  // Of a process elsewhere only its answer tells.
  if (!endpoint.ok() ||
      (endpoint->OnThisHost() && !ProcessIsAlive(endpoint->pid))) {
    if (run.ViewFromFiles().state == JobState::kSucceeded) {
      return absl::FailedPreconditionError(absl::StrCat(
          "the job in ", run.path(), " has succeeded, so nothing of it runs"));
    }
    return absl::UnavailableError(absl::StrCat(
        "the job in ", run.path(), " does not run now (no coordinator); ",
        "go on with `ahactl run --resume --dir ", run.path(), "`"));
  }
  AdminOptions local = admin;
  local.address = endpoint->address;
  if (endpoint->OnThisHost()) local.deadline = kLocalDeadline;
  return AdminClient::New(local);
}

absl::StatusOr<JobView> Target::View() const {
  if (Remote()) return RemoteView();
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

absl::StatusOr<JobView> Target::RemoteView() const {
  if (watcher_ != nullptr) {
    AHA_RETURN_IF_ERROR(watcher_->LostFor(kPatience));
    std::optional<JobView> latest = watcher_->Latest();
    if (latest.has_value()) return *std::move(latest);
  }
  AHA_ASSIGN_OR_RETURN(const auto client, Connect());
  absl::StatusOr<JobView> now = client->GetJob();
  if (now.ok() && (name.empty() || now->name == name)) return now;
  if (!now.ok() && !absl::IsNotFound(now.status())) return now;
  if (name.empty()) return now;  // No job.
  AHA_ASSIGN_OR_RETURN(const std::vector<JobView> jobs, client->ListJobs());
  std::vector<std::string> names;
  for (const JobView& job : jobs) {
    if (job.name == name) return job;
    names.push_back(job.name);
  }
  return absl::NotFoundError(absl::StrCat(
      "the coordinator at ", admin.address, " knows no job \"", name,
      "\"; it has ", names.empty() ? "none" : absl::StrJoin(names, ", ")));
}

void Target::Follow() {
  // Of a job that ended before, only the list tells.
  if (!Remote()) return;
  const absl::StatusOr<JobView> view = RemoteView();
  if (!view.ok() || IsEndState(view->state)) return;
  watcher_ = std::make_shared<JobWatcher>(admin);
}

absl::StatusOr<std::vector<JobView>> Target::Jobs() const {
  if (Remote()) {
    AHA_ASSIGN_OR_RETURN(const auto client, Connect());
    return client->ListJobs();
  }
  std::vector<JobView> jobs;
  for (const RunDirectory& run : FindRuns(runs)) {
    Target one = *this;
    one.dir = run.path();
    absl::StatusOr<JobView> view = one.View();
    if (view.ok()) jobs.push_back(*std::move(view));
  }
  return jobs;
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
  AddAddressOptions(command, target.admin);
}

void AddAddressOptions(CLI::App& command, AdminOptions& admin) {
  command
      .add_option("--address", admin.address,
                  "Coordinator to ask instead, host:port")
      ->envname("AHA_ADDRESS")
      ->type_name("HOST:PORT");
  command.add_option("--tls-cert", admin.tls_cert, "Certificate, PEM")
      ->envname("AHA_TLS_CERT")
      ->type_name("FILE");
  command.add_option("--tls-key", admin.tls_key, "Its key, PEM")
      ->envname("AHA_TLS_KEY")
      ->type_name("FILE");
  command.add_option("--tls-ca", admin.tls_ca, "Authority, PEM")
      ->envname("AHA_TLS_CA")
      ->type_name("FILE");
  command
      .add_option("--tls-server-name", admin.tls_server_name,
                  "Name in the coordinator's certificate, if not the host")
      ->envname("AHA_TLS_SERVER_NAME")
      ->type_name("NAME");
  command
      .add_flag("--insecure", admin.insecure,
                "Allow plain text beyond this machine")
      ->envname("AHA_INSECURE");
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
