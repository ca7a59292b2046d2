// The kinds of stages that train, each defined in the file of its name; for the
// table of stage_work.cc only.  Each function is OpenStageWork for its kind.
#pragma once

#include "learner/stages/stage_work.h"

namespace aha::learner {

absl::StatusOr<std::unique_ptr<StageWork>> OpenSft(const StageOfJob& of,
                                                   uint64_t first_step,
                                                   ModelState* state);
absl::StatusOr<std::unique_ptr<StageWork>> OpenGrpo(const StageOfJob& of,
                                                    uint64_t first_step,
                                                    ModelState* state);

}  // namespace aha::learner
