// Starts a program that cannot outlive this process.
//
// The child gets its own process group (Ctrl-C reaches only the supervisor) and
// dies by SIGKILL the moment its parent does, however that dies.  The kernel
// ties that to the parent *thread*: call Start from a thread that lives as long
// as the process, e.g. the main thread.
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
  std::vector<std::string> environment;  // "KEY=value", over the inherited.
  std::string log_path;                  // stdout and stderr, appended.
  std::vector<int> cpus;                 // Pinned to; empty: anywhere.
};

// The error names the program and the call that failed.
absl::StatusOr<pid_t> StartChild(const ChildOptions& options);

// How `pid` ended, if it has; reaps it then.
std::optional<ProcessExit> ReapChild(pid_t pid);

// Signals the child's whole group; silently nothing if it is gone.
void SignalChild(pid_t pid, int signal);

// Its largest resident size so far, from /proc; 0 if it is gone.
uint64_t PeakResidentBytes(pid_t pid);

}  // namespace aha::cli
