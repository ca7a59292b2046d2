// The job commands that wait or follow: watch, wait, logs, events.  Each gives
// an exit code of docs/design.md section 10.
#pragma once

#include <string>
#include <vector>

#include "cli/commands/commands.h"

namespace aha::cli {

// Shows progress until the job ends; -o json|yaml prints the job each time it
// changed.
int WatchJob(Target target, Output output);

// `timeout` in seconds; 0: none.  A job that was stopped before its end is
// 130, as for `ahactl run`.
int WaitForJob(Target target, double timeout, Output output);

// How a job that did not succeed goes on: "go on with `ahactl run ...`".
std::string HowToGoOn(const Target& target, const JobView& job);

struct TailFlags {
  int lines = 20;
  bool follow = false;
};

// `processes`: all if empty.
int PrintLogs(const Target& target, const std::vector<std::string>& processes,
              const TailFlags& flags, Output output);
int PrintEvents(const Target& target, const TailFlags& flags, Output output);

}  // namespace aha::cli
