// What a step of a training stage computes: the part of the learner that
// differs between kinds of stages.
//
//   AHA_ASSIGN_OR_RETURN(
//       const std::unique_ptr<StageWork> work,
//       OpenStageWork({.plan = plan, .stage = 2, .setup = setup}, first_step,
//                     &state));
//   AHA_ASSIGN_OR_RETURN(const StepResult result,
//                        work->Step(step, groups, chain, comm));
//
// Everything around a step is the same for all kinds and stands in
// learner/step_loop.h: the permission to begin, the groups, the commit,
// checkpoints.  Stages of a kind that does not train have no StageWork.  A new
// kind that trains is one file in this folder and one line in the table of
// stage_work.cc.
#pragma once

#include <cstdint>
#include <memory>

#include "absl/status/statusor.h"
#include "absl/types/span.h"
#include "aha/v1/rollout.pb.h"
#include "base/hash.h"
#include "comm/communicator.h"
#include "job/model_setup.h"
#include "job/plan.h"
#include "learner/model_state.h"
#include "learner/step_result.h"

namespace aha::learner {

// A stage of a job.  All of it must outlive the StageWork.
struct StageOfJob {
  const JobPlan& plan;
  uint32_t stage = 0;  // Below the number of stages.
  const ModelSetup& setup;

  const StagePlan& stage_plan() const { return plan.stages[stage]; }
  const v1::Stage& settings() const {
    return plan.job.stages(static_cast<int>(stage));
  }
};

// Owned by one thread.
class StageWork {
 public:
  virtual ~StageWork() = default;

  // Trains step `step` and leaves the next version of the weights in the state
  // that was given to OpenStageWork.  Every rank calls it with its own groups
  // of the step, in slot order (none if the steps of this kind consume no
  // groups); `chain` is the job's checksum so far.  On an error the state may
  // be half-way between two versions: reset it or restore a checkpoint.
  virtual absl::StatusOr<StepResult> Step(
      uint64_t step, absl::Span<const v1::ScoredGroup* const> groups,
      const Hash128& chain, comm::Communicator& comm) = 0;
};

// Prepares `state`, which must outlive the result, for steps from `first_step`
// on.  INVALID_ARGUMENT if stages of this kind train nothing, or if the
// settings are such as no resolved job has.
absl::StatusOr<std::unique_ptr<StageWork>> OpenStageWork(const StageOfJob& of,
                                                         uint64_t first_step,
                                                         ModelState* state);

}  // namespace aha::learner
