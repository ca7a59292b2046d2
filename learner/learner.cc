#include "learner/learner.h"

#include <utility>

#include "absl/strings/str_cat.h"
#include "base/log.h"
#include "base/status.h"

namespace aha::learner {
namespace {

// Before the coordinator is asked again: it has answered with a stage in which
// this rank has nothing to do, or no rank set came together.
constexpr absl::Duration kPause = absl::Milliseconds(200);

}  // namespace

Learner::Learner(LearnerOptions options, LearnerParts parts)
    : options_(std::move(options)),
      plan_(MakePlan(options_.job)),
      cluster_(*parts.cluster),
      buffer_(*parts.buffer),
      gauges_(std::move(parts.gauges)),
      waits_(parts.cluster, options_.clock, gauges_.waited),
      ranks_(options_.rank, options_.stop_patience, options_.clock,
             [this, connect = std::move(parts.connect)](
                 const v1::NextStageResponse& next) {
               return waits_.During("rendezvous", "the other learner ranks",
                                    [&] { return connect(next); });
             }),
      state_({.plan = &plan_,
              .setup = parts.setup,
              .context = parts.context,
              .cluster = parts.cluster,
              .ranks = &ranks_,
              .run_directory = options_.run_directory,
              .clock = options_.clock,
              .checkpoint_gauge = gauges_.checkpoint}),
      loop_({.plan = &plan_,
             .setup = parts.setup,
             .cluster = parts.cluster,
             .buffer = parts.buffer,
             .ranks = &ranks_,
             .state = &state_,
             .waits = &waits_,
             .gauges = &gauges_,
             .run_directory = options_.run_directory,
             .clock = options_.clock}) {}

void Learner::Stop() {
  ranks_.Stop();
  // The rank set stays: the ranks save a checkpoint with it.
  buffer_.Close();
}

void Learner::Interrupt() {
  buffer_.Close();
  ranks_.Interrupt();
}

void Learner::OnLivingLearners(const std::map<uint32_t, std::string>& living) {
  if (ranks_.OnLivingLearners(living)) buffer_.Close();
}

absl::StatusOr<v1::NextStageResponse> Learner::AwaitStage() {
  return waits_.During("next_stage", "the coordinator's next stage",
                       [&]() -> absl::StatusOr<v1::NextStageResponse> {
                         while (!ranks_.stopping()) {
                           absl::StatusOr<v1::NextStageResponse> next =
                               cluster_.NextStage();
                           if (absl::IsAborted(next.status())) continue;
                           if (!next.ok()) return next;
                           if (next->directive() != v1::DIRECTIVE_RUN)
                             return next;
                           if (next->stage_ready()) return next;
                         }
                         return absl::CancelledError("stopping");
                       });
}

bool Learner::ShouldAskAgain(const absl::Status& status) {
  if (ranks_.broken() && !absl::IsAborted(status)) {
    // Other ranks may have died; the coordinator puts a new set together.
    AHA_LOG(kWarning) << "the learner rank set broke: " << status;
    cluster_.Report(
        false, absl::StrCat("the learner rank set broke: ", status.ToString()));
    ranks_.LeaveBroken();
    return true;
  }
  if (absl::IsAborted(status)) {
    AHA_LOG(kInfo) << "asking for a stage again: " << status.message();
    ranks_.Leave();
    return true;
  }
  return status.ok();
}

absl::Status Learner::Run() {
  if (options_.rank == 0) RemovePartialCheckpoints(options_.run_directory);
  absl::Status status;
  while (!ranks_.stopping()) {
    const absl::StatusOr<v1::NextStageResponse> next = AwaitStage();
    if (!next.ok()) {
      status = next.status();
      break;
    }
    if (next->directive() != v1::DIRECTIVE_RUN) return absl::OkStatus();
    status = RunStage(*next);
    buffer_.Close();
    if (ranks_.stopping() || !ShouldAskAgain(status)) break;
  }
  if (!ranks_.stopping()) {
    cluster_.Report(true, status.ToString());
    return status;
  }
  SaveBeforeEnd();
  return absl::OkStatus();
}

void Learner::SaveBeforeEnd() {
  if (!state_.has_unsaved_steps()) return;
  // Without a rank set only a state that is not sharded can be saved.
  if (!ranks_.joined() && state_.model().sharding().ranks > 1) return;
  const absl::Status saved = state_.SaveCheckpoint();
  if (saved.ok()) return;
  AHA_LOG(kWarning) << "no checkpoint at step " << state_.position().next_step
                    << ", the steps since the latest one will be trained "
                    << "again: " << saved;
}

absl::Status Learner::JoinRankSet(const v1::NextStageResponse& next) {
  const absl::Status status = ranks_.Join(cluster_.epoch(), next);
  if (absl::IsAborted(status)) {
    // A rank was lost on its way.  The coordinator puts a new set together, or
    // fails the job after cluster.wait_seconds.
    cluster_.Report(false, std::string(status.message()));
    options_.sleep(kPause);
  }
  return status;
}

absl::Status Learner::PublishOnce(const v1::NextStageResponse& next) {
  const StageOfEpoch stage{cluster_.epoch(), next.stage()};
  if (options_.rank != 0 || published_ == stage) {
    options_.sleep(kPause);
    return absl::OkStatus();
  }
  AHA_RETURN_IF_ERROR(state_.Bring(next));
  AHA_RETURN_IF_ERROR(cluster_.Publish({next.stage(), 0},
                                       state_.model().weights(),
                                       state_.position().weights_checksum));
  published_ = stage;
  return absl::OkStatus();
}

absl::Status Learner::RunStage(const v1::NextStageResponse& next) {
  if (next.stage() >= plan_.stages.size()) {
    return absl::FailedPreconditionError(absl::StrCat(
        "stage must be below ", plan_.stages.size(), ", is ", next.stage()));
  }
  if (!plan_.stages[next.stage()].trains()) return PublishOnce(next);
  published_.reset();  // A stage that is done again is published again.
  AHA_RETURN_IF_ERROR(JoinRankSet(next));
  AHA_RETURN_IF_ERROR(state_.Bring(next));
  return loop_.Run(next.stage(), next.first_step());
}

}  // namespace aha::learner
