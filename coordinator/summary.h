// Makes summary.json (run/summary.h), which a run leaves when its job ends, out
// of the plan and the history of the job.
#pragma once

#include <string>
#include <vector>

#include "coordinator/history.h"
#include "job/plan.h"
#include "run/job_view.h"
#include "run/summary.h"

namespace aha::coordinator {

// The pointers are not owned.
struct SummaryInput {
  const JobPlan* plan = nullptr;
  run::JobState state = run::JobState::kUnknown;
  std::string failure;                // Shown as `problem`, unless it is empty.
  std::string not_reproducible = {};  // Why, unless it is empty.
  const History* history = nullptr;
  std::vector<double> stage_seconds = {};  // Over all processes of the job.
  double train_tokens_per_second = 0;
  std::vector<run::DataSummary> data = {};  // One for each prompt file.
};

// The text of the file.
std::string SummaryJson(const SummaryInput& input);

}  // namespace aha::coordinator
