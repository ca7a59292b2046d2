// Starts programs that cannot outlive this process.
//
// A child has its own process group, so that Ctrl-C reaches only the
// supervisor.  The kernel kills it when its parent ends, however that ends.  It
// ties this to the parent *thread*, so StartChild must be called from a thread
// that lives as long as the process, such as the main thread.
#pragma once

#include <sys/types.h>

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "cli/local/restart_policy.h"

namespace aha::cli {

struct ChildOptions {
  std::vector<std::string> argv;         // argv[0] is the program's path.
  std::vector<std::string> environment;  // "KEY=value"; replaces the inherited.
  std::string log_path;                  // Gets stdout and stderr.
  std::vector<int> cpus;                 // Those it may run on; empty: all.
};

// Returns the pid.  An error names the program or the call that failed.
absl::StatusOr<pid_t> StartChild(const ChildOptions& options);

// How `pid` ended, after which it is reaped; nothing while it runs.
std::optional<ProcessExit> ReapChild(pid_t pid);

// Signals the child's whole process group.  Does nothing if it is gone.
void SignalChild(pid_t pid, int signal);

// The largest resident size of `pid` so far, in bytes; 0 if it is gone.
uint64_t PeakResidentBytes(pid_t pid);

}  // namespace aha::cli
