// What a person reads when a run is over.  Pure.
#pragma once

#include <string>
#include <vector>

#include "cli/local/supervisor.h"
#include "cli/report/progress.h"
#include "cli/report/run_directory.h"

namespace aha::cli {

struct ReportInput {
  RunSummary summary;
  std::string run_dir;
  std::string last_checkpoint;  // Directory of the newest; may be empty.
  // Of the newest rollouts; the name is empty if the job has one such stage.
  std::string rollout_stage;
  int64_t last_rollout_step = -1;  // None.
  std::string example_prompt;      // One that the model knows; may be empty.
  int restarts = 0;
};

// Before and after, stages, speed, exactness, checksum, what to look at next.
std::vector<std::string> RenderReport(const ReportInput& input,
                                      const Style& style);

// Who died, how, its last words, its log, how to go on.
std::vector<std::string> RenderFailure(const ClusterFailure& failure,
                                       const std::string& resume_command);

// A word of a shell command, quoted if it must be.
std::string ShellQuote(absl::string_view word);

}  // namespace aha::cli
