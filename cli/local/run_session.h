// Runs one job on a local cluster from start to end: signals, progress, the
// control socket and the report at the end.
//
//   first SIGINT, SIGTERM or SIGHUP   a clean stop with a checkpoint
//   second                            every process is killed at once
//
// Called from the main thread before another thread exists.
#pragma once

#include <functional>
#include <string>

#include "absl/time/time.h"
#include "cli/local/supervisor.h"
#include "cli/term/output.h"

namespace aha::cli {

struct SessionOptions {
  SupervisorOptions supervisor;
  std::string job_name;
  std::string resume_command;
  std::string gpus;  // GpuText of this machine; "": none.
  bool quiet = false;
  // Unless this is kTable, stdout gets the summary alone and progress goes to
  // stderr.
  Output output = Output::kTable;
  // Called once, when the cluster serves; for --detach.
  std::function<void()> on_up;
  // How long a clean stop may take until the processes get SIGTERM.
  absl::Duration clean_stop = absl::Minutes(2);
};

// Runs to the end and returns the exit code (cli/term/exit_code.h).
int RunSession(SessionOptions options);

}  // namespace aha::cli
