// The run of a stage of kind sft: the learners have all that they need and go
// step by step, without groups.  Kinds of stages that train on groups derive
// from it.
#pragma once

#include "coordinator/stages/stage_run.h"

namespace aha::coordinator {

class SftRun : public StageRun {
 public:
  explicit SftRun(const StageParts& parts) : StageRun(parts) {}

  absl::Status CheckCommit(const CommitRecord& commit) const override;
  bool AllStepsCommitted() const override;
  uint64_t UnitsDone() const override;

 protected:
  uint64_t NewestVersion() const override;
};

}  // namespace aha::coordinator
