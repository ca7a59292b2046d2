#include "learner/training_state.h"

#include <algorithm>
#include <utility>

#include "absl/strings/str_cat.h"
#include "base/log.h"
#include "base/status.h"

namespace aha::learner {
namespace {

std::string InRunDirectory(const std::string& run_directory,
                           const std::string& path) {
  return path[0] == '/' ? path : absl::StrCat(run_directory, "/", path);
}

// Whether no step of the stage of a checkpoint is left to do.  A checkpoint
// that was asked for during a stage that does not train has no steps to do.
bool IsComplete(const JobPlan& plan, const Manifest& manifest) {
  return manifest.stage_done || (manifest.stage < plan.stages.size() &&
                                 !plan.stages[manifest.stage].trains());
}

}  // namespace

Sharding TrainingState::ShardingFor(const v1::NextStageResponse& next) const {
  // A stage that does not train has no rank set; its state is that of the next
  // stage that does.
  const int ranks = next.learner_addresses_size() > 0
                        ? next.learner_addresses_size()
                        : std::max(job_.cluster().learners(), 1);
  return {.rank = static_cast<int>(parts_.ranks->rank()), .ranks = ranks};
}

bool TrainingState::Fits(const v1::NextStageResponse& next,
                         const Hash128& chain) const {
  if (!position_ || position_->chain != chain) return false;
  // Without training, only the weights are needed, and each rank has them all.
  if (parts_.plan->stages[next.stage()].trains() &&
      model_->sharding() != ShardingFor(next)) {
    return false;
  }
  return position_->stage == next.stage()
             ? position_->next_step == next.first_step()
             : position_->stage < next.stage() && next.first_step() == 0;
}

absl::Status TrainingState::CheckLeadsTo(const Manifest& manifest,
                                         const v1::NextStageResponse& next,
                                         const Hash128& chain,
                                         const std::string& path) const {
  const bool fits = manifest.stage == next.stage()
                        ? manifest.next_step == next.first_step()
                        : manifest.stage < next.stage() &&
                              IsComplete(*parts_.plan, manifest) &&
                              next.first_step() == 0;
  if (fits && manifest.chain == chain) return absl::OkStatus();
  return absl::FailedPreconditionError(absl::StrCat(
      path, " must lead to stage ", next.stage(), ", step ", next.first_step(),
      " of this job's history, holds stage ", manifest.stage, ", step ",
      manifest.next_step, ", chain ", manifest.chain.Hex()));
}

absl::Status TrainingState::Load(const v1::NextStageResponse& next,
                                 const Hash128& chain) {
  const std::string path =
      InRunDirectory(parts_.run_directory, next.checkpoint());
  AHA_LOG(kInfo) << "loading " << path;
  AHA_ASSIGN_OR_RETURN(
      LoadedCheckpoint loaded,
      LoadCheckpoint(path, job_, *parts_.setup, ShardingFor(next)));
  const Manifest& manifest = loaded.manifest;
  AHA_RETURN_IF_ERROR(CheckLeadsTo(manifest, next, chain, path));
  AHA_RETURN_IF_ERROR(model_->Restore(std::move(loaded.state)));
  position_ = TrainingPosition{.stage = manifest.stage,
                               .next_step = manifest.next_step,
                               .stage_done = manifest.stage_done,
                               .chain = manifest.chain,
                               .weights_checksum = manifest.weights_checksum,
                               .num_tokens = manifest.num_tokens};
  saved_ = position_;
  return absl::OkStatus();
}

absl::Status TrainingState::Start(const v1::NextStageResponse& next,
                                  const Hash128& chain) {
  if (next.first_step() != 0 || chain != Hash128{}) {
    return absl::FailedPreconditionError(absl::StrCat(
        "stage ", next.stage(), " continues from step ", next.first_step(),
        " but the coordinator names no checkpoint"));
  }
  AHA_ASSIGN_OR_RETURN(Parameters weights,
                       StartingWeights(job_, *parts_.setup));
  AHA_RETURN_IF_ERROR(model_->Reset(std::move(weights), ShardingFor(next)));
  position_.emplace();
  // A checkpoint of these steps may be the one that the coordinator refuses.
  saved_.reset();
  position_->weights_checksum = WeightsChecksum(model_->weights());
  return absl::OkStatus();
}

absl::Status TrainingState::Bring(const v1::NextStageResponse& next) {
  Hash128 chain;
  if (!next.chain().empty()) {
    AHA_ASSIGN_OR_RETURN(chain, Hash128::FromBytes(next.chain()));
  }
  if (!model_) {
    AHA_ASSIGN_OR_RETURN(
        model_, ModelState::Create(parts_.setup->config, parts_.setup->dtype,
                                   parts_.context));
  }
  if (!Fits(next, chain)) {
    position_.reset();
    AHA_RETURN_IF_ERROR(next.checkpoint().empty() ? Start(next, chain)
                                                  : Load(next, chain));
  }
  if (position_->stage != next.stage()) {
    position_->stage = next.stage();
    position_->next_step = 0;
    position_->stage_done = false;
  }
  return absl::OkStatus();
}

TrainingPosition TrainingState::BeginStep() {
  const TrainingPosition before = *position_;
  position_.reset();
  return before;
}

absl::Status TrainingState::Write(comm::Communicator& comm) {
  const RankSet::Scope writing(parts_.ranks,
                               RankSet::Activity::kCheckpointWrite);
  const absl::Time start = parts_.clock();
  const absl::StatusOr<std::string> directory =
      WriteCheckpoint(parts_.run_directory,
                      {.job = job_,
                       .setup = *parts_.setup,
                       .state = *model_,
                       .position = *position_},
                      comm);
  AHA_RETURN_IF_ERROR(comm.status());
  if (parts_.checkpoint_gauge) parts_.checkpoint_gauge(directory.ok());
  if (!directory.ok()) {
    ReportNoCheckpoint(directory.status());
    return absl::OkStatus();
  }
  saved_ = position_;
  if (comm.rank() == 0) {
    AHA_LOG(kInfo) << "wrote " << *directory << " in "
                   << absl::FormatDuration(parts_.clock() - start);
  }
  return absl::OkStatus();
}

void TrainingState::ReportNoCheckpoint(const absl::Status& why) {
  const std::string text = absl::StrCat(
      "no checkpoint at step ", position_->next_step, ": ", why.message(),
      "; training continues, the checkpoint before stays");
  AHA_LOG(kError) << text;
  if (parts_.ranks->rank() == 0) parts_.cluster->Report(false, text);
}

absl::Status TrainingState::SaveCheckpoint() {
  const std::unique_ptr<comm::Communicator> single = comm::NewSingle();
  comm::Communicator& comm =
      parts_.ranks->size() > 1 ? parts_.ranks->comm() : *single;
  // Rank 0 decides: only it knows whether the latest checkpoint is complete.
  // An equal chain is an equal state, if perhaps named by the stage before.
  AHA_ASSIGN_OR_RETURN(
      const std::string is_saved,
      comm.Broadcast("is saved", 0, has_unsaved_steps() ? "no" : "yes"));
  if (is_saved == "no") {
    AHA_RETURN_IF_ERROR(Write(comm));
    if (has_unsaved_steps()) return absl::OkStatus();  // It was reported.
  }
  if (parts_.ranks->rank() == 0) CommitCheckpoint();
  return absl::OkStatus();
}

void TrainingState::CommitCheckpoint() {
  v1::CommitCheckpointRequest request;
  request.set_stage(saved_->stage);
  request.set_next_step(saved_->next_step);
  request.set_directory(CheckpointPath(job_, *saved_));
  request.set_weights_checksum(saved_->weights_checksum.ToBytes());
  request.set_chain(saved_->chain.ToBytes());
  request.set_stage_done(saved_->stage_done);
  absl::Status status = parts_.cluster->CommitCheckpoint(std::move(request));
  // Old checkpoints stay until the coordinator knows of the new one.
  if (status.ok()) {
    status = RemoveOldCheckpoints(parts_.run_directory,
                                  job_.checkpoint().keep(), *saved_);
  }
  if (!status.ok()) {
    AHA_LOG(kWarning) << "after a checkpoint: " << status;
  }
}

}  // namespace aha::learner
