// Which job a command is about: a run directory on this machine, or a job of a
// coordinator at an address.
#pragma once

#include <memory>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "cli/client/admin_client.h"
#include "cli/client/live_feed.h"
#include "cli/client/remote_run.h"
#include "run/feed.h"
#include "run/reader.h"

namespace CLI {
class App;
}  // namespace CLI

namespace aha::cli {

class Target {
 public:
  // What the options of a command set.
  std::string name;
  std::string dir;
  std::string runs = "runs";
  AdminOptions admin;

  // Whether a coordinator is asked for everything.  It is if an address is
  // given, unless a directory is given too.
  bool Remote() const { return !admin.address.empty() && dir.empty(); }

  // The run directory; of a remote job its copy here.  NOT_FOUND names what
  // was looked for.
  absl::StatusOr<run::RunReader> Run() const;
  // Makes sure that a file of rollouts in Run() has its content.
  absl::Status Fetch(const std::string& path) const;
  // The live coordinator.  UNAVAILABLE: the job does not run.
  absl::StatusOr<std::unique_ptr<AdminClient>> Connect() const;

  // Everything that is shown of the job.  This is valid as long as the Target.
  absl::StatusOr<std::unique_ptr<run::JobFeed>> Feed() const;
  // The same for a command that waits for the job's end.  Of a remote job it
  // has no files.
  absl::StatusOr<std::unique_ptr<run::JobFeed>> FollowedFeed() const;
  // Feed()->Job().
  absl::StatusOr<run::JobView> View() const;
  // All jobs: those below `runs`, or the coordinator's.
  absl::StatusOr<std::vector<run::JobView>> Jobs() const;

 private:
  mutable std::shared_ptr<RemoteRun> remote_;  // Made when it is needed.
};

// A run directory: `directory` if it is not empty; else the run `name` below
// `root`, or the directory `name`; without a name the latest run below `root`.
absl::StatusOr<run::RunReader> ResolveRun(const std::string& name,
                                          const std::string& directory,
                                          const std::string& root);

// What the options of a command select.
enum class Selects {
  kNamedJob,  // One job, by the argument NAME or by --dir.
  kJob,       // One job, by --dir; the argument is something else.
  kAllJobs,   // All jobs below --runs.
};

// Declares NAME, --dir and --runs as `selects` says, --address and TLS.
void AddTargetOptions(CLI::App& command, Target& target, Selects selects);
// Declares --address and TLS alone.
void AddAddressOptions(CLI::App& command, AdminOptions& admin);

}  // namespace aha::cli
