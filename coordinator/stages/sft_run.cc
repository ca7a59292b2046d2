#include "coordinator/stages/sft_run.h"

namespace aha::coordinator {

absl::Status SftRun::CheckCommit(const CommitRecord&) const {
  return absl::OkStatus();
}

bool SftRun::AllStepsCommitted() const { return UnitsDone() == plan().steps; }

uint64_t SftRun::UnitsDone() const { return history().position().step; }

// The version that the next step makes.
uint64_t SftRun::NewestVersion() const { return UnitsDone() + 1; }

}  // namespace aha::coordinator
