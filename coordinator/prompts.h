// A job's prompts by (stage, step, slot).
#pragma once

#include "absl/status/statusor.h"
#include "coordinator/controller.h"
#include "coordinator/plan.h"

namespace aha::coordinator {

// Errors of the prompt file; INVALID_ARGUMENT if an eval stage wants more
// prompts than there are.  The function is pure and thread-safe.
absl::StatusOr<PromptFunction> MakePrompts(const JobPlan& plan);

}  // namespace aha::coordinator
