// The report that `ahactl run` prints when a job has succeeded.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "cli/term/output.h"
#include "cli/term/style.h"
#include "run/feed.h"

namespace aha::cli {

struct ReportInput {
  run::Summary summary;
  std::string run_dir;
  std::string last_checkpoint;  // Directory of the newest; "": none.
  // The stage of the newest rollouts; "" if only one stage has rollouts.
  std::string rollout_stage;
  std::optional<uint64_t> last_rollout_step;
  std::string example_prompt;  // One that the model was trained on; "": none.
  // Mean rewards of the steps that were trained on groups, in order.
  std::vector<double> rewards = {};
  // Steps none of whose groups had a signal: all rewards equal.
  uint64_t steps_without_signal = 0;
  bool shows_checksum = true;  // False if it is printed elsewhere.
  int restarts = 0;
};

// Results before and after, stages, speed, exactness, checksum, and commands
// that show more.
std::vector<std::string> RenderReport(const ReportInput& input,
                                      const Style& style);

struct PrintReportOptions {
  std::string run_dir;
  int restarts = 0;
  bool quiet = false;  // Only the line with the checksum.
  Output output = Output::kTable;
};

// Prints the report of a run that is over, and the line "checksum <hex>" if
// stdout is not a terminal.  Unless `output` is kTable, prints its summary
// instead.
void PrintReport(run::JobFeed& feed, const PrintReportOptions& options);

}  // namespace aha::cli
