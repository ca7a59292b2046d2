// The weights and the optimizer of the job, together with the position in the
// job that they are at, and the checkpoints that keep both.  Every rank holds
// all weights and its shard of the optimizer's state (model_state.h).
//
// The state stays in memory from stage to stage.  What a position means is
// agreed with the coordinator by the chain, the checksum over all steps so far:
// if the coordinator names another chain than that of the state in memory, or
// another number of ranks, the state is loaded from the checkpoint that the
// coordinator names.
//
//   Bring --> position() --BeginStep--> in a step --FinishStep--> position()
//
// Owned by one thread.
#pragma once

#include <functional>
#include <memory>
#include <optional>
#include <string>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "aha/v1/coordinator.pb.h"
#include "base/clock.h"
#include "device/context.h"
#include "job/model_setup.h"
#include "job/plan.h"
#include "learner/checkpoint.h"
#include "learner/cluster.h"
#include "learner/model_state.h"
#include "learner/rank_set.h"

namespace aha::learner {

// Nothing is owned.
struct TrainingStateParts {
  const JobPlan* plan;
  const ModelSetup* setup;
  ops::Context context;  // Where the rank computes.
  Cluster* cluster;
  RankSet* ranks;
  std::string run_directory;
  Clock clock;
  std::function<void(bool ok)> checkpoint_gauge;  // May be empty.
};

class TrainingState {
 public:
  explicit TrainingState(TrainingStateParts parts)
      : parts_(std::move(parts)), job_(parts_.plan->job) {}

  // Brings the state to the beginning of the steps that `next` names: it stays
  // as it is, or is loaded from the checkpoint that `next` names, or begins
  // again with the weights that the job starts from.  FAILED_PRECONDITION if
  // the checkpoint leads elsewhere, or if there is none and steps were done.
  absl::Status Bring(const v1::NextStageResponse& next);

  // REQUIRES: Bring returned OK, here and below.
  ModelState& model() { return *model_; }
  // REQUIRES: no step is in progress.
  const TrainingPosition& position() const { return *position_; }

  // Between these two, the state is not a version of the weights.  If the step
  // fails, Bring sets the state again.  BeginStep returns the position so far.
  TrainingPosition BeginStep();
  void FinishStep(const TrainingPosition& position) { position_ = position; }

  // Whether there is a position whose state no checkpoint keeps.
  bool has_unsaved_steps() const {
    return position_ && !(saved_ && saved_->chain == position_->chain);
  }
  // Writes a checkpoint, unless the latest one is of this state; rank 0 then
  // commits it to the coordinator and removes old ones.  All ranks of the set
  // call it, between two steps.  If the checkpoint cannot be written (a full
  // disk), that is logged and reported, and costs nothing else; errors are
  // those of the rank set.
  absl::Status SaveCheckpoint();

 private:
  // Whether the state in memory is that from which `next` continues.
  bool Fits(const v1::NextStageResponse& next, const Hash128& chain) const;
  absl::Status Load(const v1::NextStageResponse& next, const Hash128& chain);
  absl::Status CheckLeadsTo(const Manifest& manifest,
                            const v1::NextStageResponse& next,
                            const Hash128& chain,
                            const std::string& path) const;
  absl::Status Start(const v1::NextStageResponse& next, const Hash128& chain);
  // The shard of the state that this rank holds in the stage of `next`.
  Sharding ShardingFor(const v1::NextStageResponse& next) const;
  absl::Status Write(comm::Communicator& comm);
  void ReportNoCheckpoint(const absl::Status& why);
  void CommitCheckpoint();

  const TrainingStateParts parts_;
  const v1::Job& job_;
  std::unique_ptr<ModelState> model_;  // Null before the first Bring.
  std::optional<TrainingPosition>
      position_;  // Absent: the state is not a version.
  std::optional<TrainingPosition> saved_;  // The latest checkpoint's.
};

}  // namespace aha::learner
