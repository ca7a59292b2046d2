// The run of a stage of kind grpo: actors sample the groups of each step, the
// learners consume them, and the weights of each step are what later groups
// are sampled with.
//
//   1. Rank 0 publishes version n + 1 while it trains step n; actors cannot see
//      it yet.
//   2. It commits step n.  CheckCommit refuses weights that were not published
//      or differ from the published ones.
//   3. Commit makes the version visible, closes the step in the ledger, and
//      drops the versions that no open step is sampled with.
#pragma once

#include "coordinator/stages/sft_run.h"

namespace aha::coordinator {

class GrpoRun : public SftRun {
 public:
  explicit GrpoRun(const StageParts& parts) : SftRun(parts) {}

  absl::Status CheckCommit(const CommitRecord& commit) const override;
  void Commit(const CommitRecord& commit) override;
};

}  // namespace aha::coordinator
