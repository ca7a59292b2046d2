// The prompts of a job by (stage, step, slot), for the leases of groups.
#pragma once

#include "absl/status/statusor.h"
#include "coordinator/controller.h"
#include "job/plan.h"

namespace aha::coordinator {

// Opens the sources of prompts that the stages of the plan use.  Errors of the
// prompt file; INVALID_ARGUMENT if a stage that takes prompts in order wants
// more than there are.  The function is pure and thread-safe.
absl::StatusOr<PromptFunction> MakePrompts(const JobPlan& plan);

}  // namespace aha::coordinator
