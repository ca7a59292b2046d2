// Makes summary.json (run/summary.h), which a run leaves when its job ends, out
// of the plan and the history of the job.
#pragma once

#include <string>
#include <vector>

#include "coordinator/history.h"
#include "job/plan.h"
#include "run/summary.h"

namespace aha::coordinator {

// The pointers are not owned.
struct SummaryInput {
  const JobPlan* plan = nullptr;
  std::string state;    // "succeeded"
  std::string failure;  // Shown as `problem`, unless it is empty.
  const History* history = nullptr;
  std::vector<double> stage_seconds = {};  // Over all processes of the job.
  double train_tokens_per_second = 0;
  std::vector<run::DataSummary> data = {};  // Of the files of the prompts.
};

// The text of the file.
std::string SummaryJson(const SummaryInput& input);

}  // namespace aha::coordinator
