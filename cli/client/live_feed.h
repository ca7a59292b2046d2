// Feeds (run/feed.h) of jobs that may be live: their state comes from the
// coordinator's Admin service, everything else from the files of the run.
#pragma once

#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "cli/client/admin_client.h"
#include "cli/client/job_watcher.h"
#include "run/feed.h"

namespace aha::cli {

// Connects to the coordinator that endpoint.json of `run` names.  UNAVAILABLE:
// none runs; the error says how to continue the job.  FAILED_PRECONDITION: the
// job has succeeded.  `security` is used but for its address.
absl::StatusOr<std::unique_ptr<AdminClient>> ConnectToRun(
    const run::RunReader& run, const AdminOptions& security);

// A run directory that this machine can read.  Each call of Job() asks the
// coordinator if it lives and reads the files otherwise, so the feed follows a
// job through restarts of its coordinator and past its end.
class LocalFeed : public run::FileFeed {
 public:
  LocalFeed(run::RunReader run, AdminOptions security);

  absl::StatusOr<run::JobView> Job() override;
  std::vector<run::MemberView> Members() override;

 private:
  const run::RunReader run_;
  const AdminOptions security_;
};

// A job of the coordinator at an address.
class RemoteFeed : public run::FileFeed {
 public:
  // `job`: its name; "" is the coordinator's current one.  `files` is called
  // only when something of the run's files is needed.
  RemoteFeed(AdminOptions admin, std::string job, Files files);

  // NOT_FOUND: the coordinator has no such job; the error lists those it has.
  absl::StatusOr<run::JobView> Job() override;
  std::vector<run::MemberView> Members() override;

  // From now on Job() comes from a stream, so the end of the job is seen even
  // if the coordinator ends with it.  Does nothing for a job that has ended.
  void Follow();

 private:
  absl::StatusOr<run::JobView> FindListed(AdminClient& client) const;

  const AdminOptions admin_;
  const std::string job_;
  std::unique_ptr<JobWatcher> watcher_;
  // The job's last view, once a call has shown that it ended.
  std::optional<run::JobView> ended_;
};

// The job of a coordinator, from a stream alone: Job() never waits.  It is
// UNAVAILABLE until the first status has come.
class StreamFeed : public run::FileFeed {
 public:
  StreamFeed(AdminOptions admin, run::RunReader run);

  absl::StatusOr<run::JobView> Job() override;

 private:
  const std::string run_directory_;
  JobWatcher watcher_;
};

}  // namespace aha::cli
