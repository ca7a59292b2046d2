#include "cli/commands/target.h"

#include <CLI/CLI.hpp>
#include <algorithm>
#include <filesystem>
#include <system_error>
#include <utility>

#include "absl/strings/str_cat.h"
#include "base/status.h"

namespace aha::cli {

absl::StatusOr<run::RunReader> Target::Run() const {
  if (!Remote()) return ResolveRun(name, dir, runs);
  if (remote_ == nullptr) {
    std::string job = name;
    if (job.empty()) {
      AHA_ASSIGN_OR_RETURN(const run::JobView view, View());
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
  AHA_ASSIGN_OR_RETURN(const run::RunReader run, Run());
  return ConnectToRun(run, admin);
}

absl::StatusOr<std::unique_ptr<run::JobFeed>> Target::Feed() const {
  if (Remote()) {
    return std::make_unique<RemoteFeed>(admin, name, [this] { return Run(); });
  }
  AHA_ASSIGN_OR_RETURN(run::RunReader run, Run());
  return std::make_unique<LocalFeed>(std::move(run), admin);
}

absl::StatusOr<std::unique_ptr<run::JobFeed>> Target::FollowedFeed() const {
  if (!Remote()) return Feed();
  auto feed = std::make_unique<RemoteFeed>(
      admin, name, []() -> absl::StatusOr<run::RunReader> {
        return absl::UnavailableError("the files of a followed job stay there");
      });
  feed->Follow();
  return feed;
}

absl::StatusOr<run::JobView> Target::View() const {
  AHA_ASSIGN_OR_RETURN(const std::unique_ptr<run::JobFeed> feed, Feed());
  return feed->Job();
}

absl::StatusOr<std::vector<run::JobView>> Target::Jobs() const {
  if (Remote()) {
    AHA_ASSIGN_OR_RETURN(const auto client, Connect());
    return client->ListJobs();
  }
  std::vector<run::JobView> jobs;
  for (const run::RunReader& run : run::FindRuns(runs)) {
    absl::StatusOr<run::JobView> view = LocalFeed(run, admin).Job();
    if (view.ok()) jobs.push_back(*std::move(view));
  }
  return jobs;
}

absl::StatusOr<run::RunReader> ResolveRun(const std::string& name,
                                          const std::string& directory,
                                          const std::string& root) {
  if (!directory.empty()) {
    run::RunReader given(directory);
    if (given.HoldsRun()) return given;
    return absl::NotFoundError(
        absl::StrCat("no run in ", directory, " (it has no job.yaml)"));
  }
  if (!name.empty()) {
    for (const std::string& path : {absl::StrCat(root, "/", name), name}) {
      run::RunReader found(path);
      if (found.HoldsRun()) return found;
    }
    return absl::NotFoundError(absl::StrCat(
        "job \"", name, "\" not found below ", root,
        "/; `ahactl job list` shows what is there, --dir names a directory"));
  }
  std::vector<run::RunReader> runs = run::FindRuns(root);
  if (runs.empty()) {
    return absl::NotFoundError(absl::StrCat(
        "no run below ", root, "/; start one with `ahactl run JOB.yaml`"));
  }
  const auto touched = [](const run::RunReader& one) {
    std::error_code error;
    return std::filesystem::last_write_time(one.path(), error);
  };
  return *std::max_element(
      runs.begin(), runs.end(),
      [&](const auto& a, const auto& b) { return touched(a) < touched(b); });
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

}  // namespace aha::cli
