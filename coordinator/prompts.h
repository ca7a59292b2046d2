// The prompts of a job by (stage, step, slot), for the leases of groups.
#pragma once

#include <vector>

#include "absl/status/statusor.h"
#include "coordinator/controller.h"
#include "job/plan.h"
#include "run/summary.h"

namespace aha::coordinator {

// Opens the sources of prompts that the stages of the plan use, and describes
// the files among them in *data, if it is not null.  Errors of the prompt
// files; INVALID_ARGUMENT if a stage that takes prompts in order wants more
// than there are.  The function is pure and thread-safe.
absl::StatusOr<PromptFunction> MakePrompts(
    const JobPlan& plan, std::vector<run::DataSummary>* data = nullptr);

}  // namespace aha::coordinator
