// The command groups of ahactl.  Each Add* declares its part of the command
// line; parsing only chooses context.action, which main runs afterwards.
#pragma once

#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "cli/client/admin_client.h"
#include "cli/commands/completion.h"
#include "cli/commands/remote_run.h"
#include "cli/report/run_directory.h"
#include "cli/term/output.h"

namespace CLI {
class App;
class Option;
}  // namespace CLI

namespace aha::cli {

struct Context {
  // What to do; its value is the exit code.
  std::function<int()> action;
  std::string output = "table";

  Output Format() const { return ParseOutput(output); }
};

// Which job a command is about.
struct Target {
  std::string name;
  std::string dir;
  std::string runs = "runs";
  AdminOptions admin;  // address: a coordinator anywhere, instead of a run.

  // Whether a coordinator is asked for everything; a directory outdoes it.
  bool Remote() const { return !admin.address.empty() && dir.empty(); }
  // The run directory, of a remote job its image here; kNotFound.
  absl::StatusOr<RunDirectory> Run() const;
  // Makes sure that a large file of Run() (rollouts) has its content.
  absl::Status Fetch(const std::string& path) const;
  // All jobs: below `runs`, or the coordinator's.
  absl::StatusOr<std::vector<JobView>> Jobs() const;
  // From now on View() of a remote job comes from a stream, and so sees its end
  // even if the coordinator ends with it.
  void Follow();
  // The live coordinator; kUnavailable if the job does not run.
  absl::StatusOr<std::unique_ptr<AdminClient>> Connect() const;
  // From the coordinator if it lives, else from the files.
  absl::StatusOr<JobView> View() const;

 private:
  absl::StatusOr<JobView> RemoteView() const;

  mutable std::shared_ptr<RemoteRun> remote_;
  std::shared_ptr<JobWatcher> watcher_;
};

// What a command may be about: one job by NAME or --dir, one by --dir alone
// (the argument is something else), or all below --runs.
enum class Selects { kNamedJob, kJob, kAllJobs };

// -o.
void AddOutputOption(CLI::App& command, Context& context);
// NAME, --dir, --runs as `selects` says; --address and TLS.
void AddTargetOptions(CLI::App& command, Target& target, Selects selects);
// --address and TLS alone.
void AddAddressOptions(CLI::App& command, AdminOptions& admin);
// --set.
void AddSetOption(CLI::App& command, std::vector<std::string>& overrides);

void AddRunCommand(CLI::App& app, Context& context);
void AddJobCommands(CLI::App& app, Context& context);
void AddSubmitCommand(CLI::App& app, Context& context);
void AddRolloutCommands(CLI::App& app, Context& context);
void AddActorCommands(CLI::App& app, Context& context);
void AddConfigCommands(CLI::App& app, Context& context);
void AddToolCommands(CLI::App& app, Context& context);

// The command line as data, for completion.
CommandNode DescribeCommands(const CLI::App& app);

// Beside ahactl itself, or $AHA_BIN_DIR.
std::string ProgramDirectory();

}  // namespace aha::cli
