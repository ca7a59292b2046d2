// How a learner gets the state that a stage begins with, and saves it.
#include <algorithm>
#include <memory>
#include <utility>

#include "absl/cleanup/cleanup.h"
#include "absl/strings/str_cat.h"
#include "base/log.h"
#include "base/status.h"
#include "learner/learner.h"

namespace aha::learner {
namespace {

std::string Absolute(const std::string& run_directory,
                     const std::string& path) {
  return path[0] == '/' ? path : absl::StrCat(run_directory, "/", path);
}

}  // namespace

Sharding Learner::WantedSharding(const v1::NextStageResponse& next) const {
  // An eval stage has no rank set; its state is that of the next one.
  const int ranks = next.learner_addresses_size() > 0
                        ? next.learner_addresses_size()
                        : std::max(options_.job.cluster().learners(), 1);
  return {.rank = static_cast<int>(options_.rank), .ranks = ranks};
}

bool Learner::StateFits(const v1::NextStageResponse& next,
                        const Hash128& chain) const {
  if (!position_ || position_->chain != chain) return false;
  // An eval stage needs the weights only.
  if (!IsEval(options_.job, next.stage()) &&
      state_->sharding() != WantedSharding(next)) {
    return false;
  }
  return position_->stage == next.stage()
             ? position_->next_step == next.first_step()
             : position_->stage < next.stage() && next.first_step() == 0;
}

absl::Status Learner::LoadState(const v1::NextStageResponse& next,
                                const Hash128& chain) {
  const std::string path = Absolute(options_.run_directory, next.checkpoint());
  AHA_LOG(kInfo) << "loading " << path;
  AHA_ASSIGN_OR_RETURN(
      LoadedCheckpoint loaded,
      LoadCheckpoint(path, options_.job, setup_, WantedSharding(next)));
  const Manifest& manifest = loaded.manifest;
  // A checkpoint that was written during an eval stage has no steps to do.
  const auto complete = [&] {
    return manifest.stage_done || IsEval(options_.job, manifest.stage);
  };
  const bool fits = manifest.stage == next.stage()
                        ? manifest.next_step == next.first_step()
                        : manifest.stage < next.stage() && complete() &&
                              next.first_step() == 0;
  if (!fits || manifest.chain != chain) {
    return absl::FailedPreconditionError(
        absl::StrCat(path, " must lead to stage ", next.stage(), ", step ",
                     next.first_step(), " of this job's history, holds stage ",
                     manifest.stage, ", step ", manifest.next_step, ", chain ",
                     manifest.chain.Hex()));
  }
  AHA_RETURN_IF_ERROR(state_->Restore(std::move(loaded.state)));
  position_ = Position{.stage = manifest.stage,
                       .next_step = manifest.next_step,
                       .stage_done = manifest.stage_done,
                       .chain = manifest.chain,
                       .weights_checksum = manifest.weights_checksum,
                       .num_tokens = manifest.num_tokens};
  saved_ = position_;
  return absl::OkStatus();
}

absl::Status Learner::BringState(const v1::NextStageResponse& next) {
  Hash128 chain;
  if (!next.chain().empty()) {
    AHA_ASSIGN_OR_RETURN(chain, Hash128::FromBytes(next.chain()));
  }
  if (!state_) {
    AHA_ASSIGN_OR_RETURN(
        state_, ModelState::Create(setup_.config, setup_.dtype, &pool_));
  }
  if (!StateFits(next, chain)) {
    position_.reset();
    if (!next.checkpoint().empty()) {
      AHA_RETURN_IF_ERROR(LoadState(next, chain));
    } else {
      if (next.first_step() != 0 || chain != Hash128{}) {
        return absl::FailedPreconditionError(absl::StrCat(
            "stage ", next.stage(), " continues from step ", next.first_step(),
            " but the coordinator names no checkpoint"));
      }
      AHA_ASSIGN_OR_RETURN(Parameters weights,
                           StartingWeights(options_.job, setup_));
      AHA_RETURN_IF_ERROR(
          state_->Reset(std::move(weights), WantedSharding(next)));
      position_.emplace();
      saved_.reset();  // The saved checkpoint may be the one refused now.
      position_->weights_checksum = WeightsChecksum(state_->weights());
    }
  }
  if (position_->stage != next.stage()) {
    position_->stage = next.stage();
    position_->next_step = 0;
    position_->stage_done = false;
  }
  return absl::OkStatus();
}

bool Learner::IsSaved() const {
  // An equal chain is an equal state, if perhaps named by the stage before.
  return saved_ && saved_->chain == position_->chain;
}

absl::Status Learner::SaveCheckpoint() {
  const std::unique_ptr<comm::Communicator> single = comm::NewSingle();
  comm::Communicator& comm = comm_ && comm_->size() > 1 ? *comm_ : *single;
  // Rank 0 decides: only it knows whether the latest checkpoint is complete.
  AHA_ASSIGN_OR_RETURN(const std::string is_saved,
                       comm.Broadcast("is saved", 0, IsSaved() ? "yes" : "no"));
  if (is_saved == "no") {
    {
      MutexLock lock(mutex_);
      saving_ = true;
    }
    const absl::Cleanup saved = [&] {
      MutexLock lock(mutex_);
      saving_ = false;
    };
    const absl::Time start = options_.clock();
    const absl::StatusOr<std::string> directory =
        WriteCheckpoint(options_.run_directory,
                        {.job = options_.job,
                         .setup = setup_,
                         .state = *state_,
                         .position = *position_},
                        comm);
    AHA_RETURN_IF_ERROR(comm.status());
    if (gauges_.checkpoint) gauges_.checkpoint(directory.ok());
    if (!directory.ok()) {
      ReportNoCheckpoint(directory.status());
      return absl::OkStatus();
    }
    saved_ = position_;
    if (options_.rank == 0) {
      AHA_LOG(kInfo) << "wrote " << *directory << " in "
                     << absl::FormatDuration(options_.clock() - start);
    }
  }
  if (options_.rank == 0) CommitCheckpoint();
  return absl::OkStatus();
}

void Learner::ReportNoCheckpoint(const absl::Status& why) {
  const std::string text = absl::StrCat(
      "no checkpoint at step ", position_->next_step, ": ", why.message(),
      "; training goes on, the checkpoint before stays");
  AHA_LOG(kError) << text;
  if (options_.rank == 0) cluster_.Report(false, text);
}

void Learner::CommitCheckpoint() {
  v1::CommitCheckpointRequest request;
  request.set_stage(saved_->stage);
  request.set_next_step(saved_->next_step);
  request.set_directory(CheckpointPath(options_.job, *saved_));
  request.set_weights_checksum(saved_->weights_checksum.ToBytes());
  request.set_chain(saved_->chain.ToBytes());
  request.set_stage_done(saved_->stage_done);
  absl::Status status = cluster_.CommitCheckpoint(std::move(request));
  // Older ones go only after the coordinator has recorded the new one.
  if (status.ok()) {
    status = RemoveOldCheckpoints(options_.run_directory,
                                  options_.job.checkpoint().keep(), *saved_);
  }
  if (!status.ok()) {
    AHA_LOG(kWarning) << "after a checkpoint: " << status;
  }
}

}  // namespace aha::learner
