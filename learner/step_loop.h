// Trains the steps of one stage with the other ranks of the rank set.
//
// A step is the same for every kind of stage that trains:
//
//   1. Rank 0 asks the coordinator whether to begin the step and broadcasts the
//      answer, so that all ranks take the same turn.
//   2. If the steps of the stage consume groups, each rank waits for its own.
//   3. The ranks compute the step (StageWork); on each of them the state moves
//      to the next version.
//   4. Rank 0 writes the rollouts and publishes the weights, if the stage
//      samples with them, and commits the step to the coordinator.
//   5. If a checkpoint is due, the ranks write it.
//
// If rank 0 stops, it broadcasts in place of the answer of 1 that the ranks
// save a checkpoint and leave.
//
// Owned by one thread.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "aha/v1/coordinator.pb.h"
#include "base/clock.h"
#include "job/model_setup.h"
#include "job/plan.h"
#include "learner/cluster.h"
#include "learner/gauges.h"
#include "learner/group_buffer.h"
#include "learner/rank_set.h"
#include "learner/stages/stage_work.h"
#include "learner/training_state.h"
#include "learner/waits.h"

namespace aha::learner {

// Nothing is owned.
struct StepLoopParts {
  const JobPlan* plan;
  const ModelSetup* setup;
  Cluster* cluster;
  GroupBuffer* buffer;
  RankSet* ranks;
  TrainingState* state;
  Waits* waits;
  const LearnerGauges* gauges;
  std::string run_directory;
  Clock clock;
};

class StepLoop {
 public:
  explicit StepLoop(StepLoopParts parts) : parts_(std::move(parts)) {}

  // Trains stage `stage` from `first_step` on.  OK: all its steps are done, or
  // the coordinator asked for a checkpoint and an end.  ABORTED: what was in
  // progress is void, and the coordinator is to be asked for a stage again;
  // also once this rank stops.  Other errors are failures.
  // REQUIRES: this rank is in its rank set, and the state is at `first_step`.
  absl::Status Run(uint32_t stage, uint64_t first_step);

 private:
  // The stage that is trained.
  struct Stage {
    uint32_t index;
    const StagePlan& plan;
    StageWork& work;

    bool consumes_groups() const {
      return plan.traits.consumer == GroupConsumer::kLearner;
    }
  };

  bool is_rank_zero() const { return parts_.ranks->rank() == 0; }
  absl::Status CheckRanksAgree(uint64_t first_step);
  void ShowMemory(const Stage& stage) const;
  absl::Status PublishStart(const Stage& stage, uint64_t first_step);
  absl::Status RunSteps(const Stage& stage, uint64_t first_step);
  absl::StatusOr<v1::BeginStepResponse::Go> AgreeOnStep(uint32_t stage,
                                                        uint64_t step);
  // Broadcasts rank 0's decision about a step and returns it, on every rank:
  // a value of BeginStepResponse::Go, kAskAgain or kSaveAndLeave.
  absl::StatusOr<std::string> ReceiveDecision(uint32_t stage, uint64_t step);
  // Rank 0 only: makes that decision.  Sets *error if the stage must end here.
  char DecideStep(uint32_t stage, uint64_t step, absl::Status* error);
  absl::Status DoStep(const Stage& stage, uint64_t step);
  absl::StatusOr<std::vector<const v1::ScoredGroup*>> AwaitGroups(
      const Stage& stage, uint64_t step);
  absl::StatusOr<StepResult> Compute(
      const Stage& stage, uint64_t step,
      const std::vector<const v1::ScoredGroup*>& groups);
  absl::Status Commit(const Stage& stage, uint64_t step, absl::Time start,
                      StepResult& result);
  void WriteRollouts(const Stage& stage, uint64_t step,
                     const std::string& lines);

  const StepLoopParts parts_;
};

}  // namespace aha::learner
