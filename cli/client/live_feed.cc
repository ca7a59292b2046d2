#include "cli/client/live_feed.h"

#include <optional>
#include <utility>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "base/status.h"

namespace aha::cli {
namespace {

// A coordinator on this machine answers at once or is gone.
constexpr absl::Duration kLocalDeadline = absl::Seconds(3);
// A coordinator elsewhere may be started again in this time.
constexpr absl::Duration kRestart = absl::Seconds(30);

std::vector<run::MemberView> MembersOrNone(
    const absl::StatusOr<std::unique_ptr<AdminClient>>& client) {
  if (!client.ok()) return {};
  return (*client)->ListMembers().value_or(std::vector<run::MemberView>());
}

}  // namespace

absl::StatusOr<std::unique_ptr<AdminClient>> ConnectToRun(
    const run::RunReader& run, const AdminOptions& security) {
  const absl::StatusOr<run::Endpoint> endpoint = run.ReadEndpoint();
  // Whether a process on another machine lives, only its answer tells.
  if (!endpoint.ok() ||
      (endpoint->OnThisHost() && !run::ProcessIsAlive(endpoint->pid))) {
    if (run.View().state == run::JobState::kSucceeded) {
      return absl::FailedPreconditionError(
          absl::StrCat("the job in ", run.path(),
                       " has succeeded, so none of its processes "
                       "runs"));
    }
    return absl::UnavailableError(absl::StrCat(
        "the job in ", run.path(), " does not run now (no coordinator); ",
        "continue it with `ahactl run --resume --dir ", run.path(), "`"));
  }
  AdminOptions admin = security;
  admin.address = endpoint->address;
  if (endpoint->OnThisHost()) admin.deadline = kLocalDeadline;
  return AdminClient::New(admin);
}

LocalFeed::LocalFeed(run::RunReader run, AdminOptions security)
    : FileFeed(run), run_(std::move(run)), security_(std::move(security)) {}

absl::StatusOr<run::JobView> LocalFeed::Job() {
  const absl::StatusOr<std::unique_ptr<AdminClient>> client =
      ConnectToRun(run_, security_);
  if (!client.ok()) return run_.View();
  absl::StatusOr<run::JobView> live = (*client)->GetJob();
  if (live.ok()) {
    live->run_directory = run_.path();
    return live;
  }
  run::JobView view = run_.View();
  // The coordinator lives but does not answer: it starts, ends, or is stuck.
  if (view.state == run::JobState::kInterrupted) {
    view.state = run::JobState::kUnknown;
  }
  return view;
}

std::vector<run::MemberView> LocalFeed::Members() {
  return MembersOrNone(ConnectToRun(run_, security_));
}

RemoteFeed::RemoteFeed(AdminOptions admin, std::string job, Files files)
    : FileFeed(std::move(files)),
      admin_(std::move(admin)),
      job_(std::move(job)) {}

absl::StatusOr<run::JobView> RemoteFeed::Job() {
  if (watcher_ != nullptr) {
    AHA_RETURN_IF_ERROR(watcher_->LostFor(kRestart));
    std::optional<run::JobView> latest = watcher_->Latest();
    if (latest.has_value()) return *std::move(latest);
    // The coordinator may have left before the stream brought this news.
    if (ended_.has_value()) return *ended_;
  }
  AHA_ASSIGN_OR_RETURN(const auto client, AdminClient::New(admin_));
  absl::StatusOr<run::JobView> current = client->GetJob();
  const bool is_it = current.ok() && (job_.empty() || current->name == job_);
  if (is_it && run::IsEndState(current->state)) ended_ = *current;
  const bool lists = current.ok() || absl::IsNotFound(current.status());
  if (is_it || job_.empty() || !lists) return current;
  return FindListed(*client);
}

absl::StatusOr<run::JobView> RemoteFeed::FindListed(AdminClient& client) const {
  AHA_ASSIGN_OR_RETURN(const std::vector<run::JobView> jobs, client.ListJobs());
  std::vector<std::string> names;
  for (const run::JobView& job : jobs) {
    if (job.name == job_) return job;
    names.push_back(job.name);
  }
  return absl::NotFoundError(absl::StrCat(
      "the coordinator at ", admin_.address, " knows no job \"", job_,
      "\"; it has ", names.empty() ? "none" : absl::StrJoin(names, ", ")));
}

std::vector<run::MemberView> RemoteFeed::Members() {
  return MembersOrNone(AdminClient::New(admin_));
}

void RemoteFeed::Follow() {
  // A job that ended before is only in the list of jobs.
  const absl::StatusOr<run::JobView> job = Job();
  if (!job.ok() || run::IsEndState(job->state)) return;
  watcher_ = std::make_unique<JobWatcher>(admin_);
}

StreamFeed::StreamFeed(AdminOptions admin, run::RunReader run)
    : FileFeed(run), run_directory_(run.path()), watcher_(std::move(admin)) {}

absl::StatusOr<run::JobView> StreamFeed::Job() {
  std::optional<run::JobView> latest = watcher_.Latest();
  if (!latest.has_value()) {
    return absl::UnavailableError("the coordinator has sent no status yet");
  }
  latest->run_directory = run_directory_;
  return *std::move(latest);
}

}  // namespace aha::cli
