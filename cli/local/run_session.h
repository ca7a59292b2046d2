// One local cluster from start to end: signals, progress, the control socket,
// the final report.
//
//   first SIGINT, SIGTERM or SIGHUP   clean stop with a checkpoint
//   second                            everything is killed at once
//
// Call from the main thread, before any other thread exists.
#pragma once

#include <functional>
#include <string>

#include "cli/local/supervisor.h"
#include "cli/term/output.h"

namespace aha::cli {

struct SessionOptions {
  SupervisorOptions supervisor;
  std::string job_name;
  std::string resume_command;
  bool quiet = false;
  // Not a table: stdout gets the summary alone, progress goes to stderr.
  Output output = Output::kTable;
  // Told once when the cluster serves; for --detach.
  std::function<void()> on_up;
  // How long a clean stop may take until everybody gets SIGTERM.
  absl::Duration clean_stop = absl::Minutes(2);
};

// Runs to the end and returns the exit code of docs/design.md section 10.
int RunSession(SessionOptions options);

// What `ahactl run` prints of a run that is over: its report, and the line
// "checksum <hex>" if stdout is no terminal; or summary.json.
void PrintReport(const RunDirectory& run, int restarts, bool quiet,
                 Output output);

}  // namespace aha::cli
