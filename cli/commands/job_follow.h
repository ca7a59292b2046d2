// The commands of `ahactl job` that wait or follow: watch, wait, logs, events.
// Each returns an exit code (cli/term/exit_code.h).
#pragma once

#include <string>
#include <vector>

#include "cli/commands/target.h"
#include "cli/term/output.h"

namespace aha::cli {

// Shows progress until the job ends.  With -o json or yaml it prints the job at
// each change.
int WatchJob(const Target& target, Output output);

// `timeout` is in seconds; 0: none.  The exit code of a job that was stopped
// before its end is 130, as for `ahactl run`.
int WaitForJob(const Target& target, double timeout, Output output);

// How a job that did not succeed is continued: "continue it with `ahactl run
// ...`".
std::string HowToContinue(const Target& target, const run::JobView& job);

struct TailFlags {
  int lines = 20;
  bool follow = false;
};

// Empty `processes` means all.
int PrintLogs(const Target& target, const std::vector<std::string>& processes,
              const TailFlags& flags, Output output);
int PrintEvents(const Target& target, const TailFlags& flags, Output output);

}  // namespace aha::cli
