// Starts programs that cannot outlive this process: the services of a local
// cluster, a user's reward programs.
//
// A child has its own process group, so that Ctrl-C reaches only this process.
// The kernel kills it when its parent ends, however that ends.  It ties this to
// the parent *thread*, so a child must be started by a thread that lives as
// long as the child may run.  What the child itself started is killed with it
// only by SignalChild.
//
// No descriptor of this process is open in a child but those that it is given.
#pragma once

#include <sys/types.h>

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "absl/status/statusor.h"

namespace aha {

// How a process ended: by `signal`, or by exit code if that is 0.
struct ProcessExit {
  int code = 0;
  int signal = 0;

  bool Clean() const { return code == 0 && signal == 0; }
  // "exit code 3", "signal 9 (Killed)".
  std::string Describe() const;
};

struct ChildOptions {
  std::vector<std::string> argv;         // argv[0] is the program's path.
  std::vector<std::string> environment;  // "KEY=value"; replaces the inherited.
  std::string log_path;                  // Gets stdout and stderr.
  std::vector<int> cpus;                 // Those it may run on; empty: all.
};

// Returns the pid.  An error names the program or the call that failed.
absl::StatusOr<pid_t> StartChild(const ChildOptions& options);

// A child whose standard streams are pipes.  This process has their other ends,
// which never block; the caller closes them.
struct PipedChild {
  pid_t pid = 0;
  int in = -1;   // What is written here is the child's stdin.
  int out = -1;  // The child's stdout.
  int err = -1;  // The child's stderr.
};
// Errors as of StartChild.  REQUIRES: options.log_path is empty.
absl::StatusOr<PipedChild> StartPipedChild(const ChildOptions& options);

// Whether `pid` has ended; it still has to be reaped.
bool HasEnded(pid_t pid);

// How `pid` ended, after which it is reaped; nothing while it runs.
std::optional<ProcessExit> ReapChild(pid_t pid);

// Signals the child's whole process group.  Does nothing if it is gone.
void SignalChild(pid_t pid, int signal);

// The largest resident size of `pid` so far, in bytes; 0 if it is gone.
uint64_t PeakResidentBytes(pid_t pid);

}  // namespace aha
