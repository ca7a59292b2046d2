// Reads and writes metrics.jsonl, which has one line for each committed step,
// with TRL's names for the metrics.
#pragma once

#include <cstdint>
#include <map>
#include <string>
#include <vector>

#include "absl/strings/string_view.h"
#include "base/lenient_json.h"

namespace aha::run {

struct StepMetrics {
  uint64_t step = 0;  // Step of its stage.
  std::string stage = {};
  uint64_t job_step = 0;        // Counts on through all stages that train.
  double time = 0;              // When it was committed: Unix time in seconds.
  uint64_t policy_version = 0;  // After the step.
  std::string weights_checksum = {};
  // Everything else: "reward", "kl", "completions/mean_length", ...  A value
  // that is not finite is null in the file and is not read.
  std::map<std::string, double> values = {};

  // `values` with step and policy_version, as JobView shows them.
  std::map<std::string, double> Numbers() const;
};

// Without the newline.
std::string MetricsLine(const StepMetrics& metrics);
// Lenient: what is not in the line keeps its default.
StepMetrics ParseMetrics(const Json& line);
// The same of a line that MetricsLine made; no metrics if it is damaged.
StepMetrics ParseMetricsLine(absl::string_view line);

// One metric of the steps of one stage, in order; steps without it are left
// out.
std::vector<double> CurveOf(const std::vector<StepMetrics>& steps,
                            absl::string_view stage, const std::string& name);

}  // namespace aha::run
