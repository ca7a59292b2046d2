#include "learner/learner.h"

#include <algorithm>
#include <utility>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"
#include "absl/time/clock.h"
#include "base/log.h"
#include "base/status.h"
#include "learner/learner_internal.h"

namespace aha::learner {
namespace {

// The pause before the coordinator is asked again when an eval stage is still
// running or the rank set could not be connected.
constexpr absl::Duration kEvalPause = absl::Milliseconds(200);

}  // namespace

Learner::Learner(LearnerOptions options, LearnerParts parts)
    : options_(std::move(options)),
      setup_(*parts.setup),
      pool_(*parts.pool),
      cluster_(*parts.cluster),
      buffer_(*parts.buffer),
      connect_(std::move(parts.connect)),
      gauges_(std::move(parts.gauges)) {}

Learner::~Learner() = default;

void Learner::Stop() {
  stopping_ = true;
  {
    MutexLock lock(mutex_);
    stopped_at_ = std::min(stopped_at_, options_.clock());
  }
  // The communicator stays: the ranks save a checkpoint with it.
  buffer_.Close();
}

void Learner::Interrupt() {
  buffer_.Close();
  MutexLock lock(mutex_);
  if (awaits_step_) joined_->Abort(VoidStep());
}

void Learner::OnLivingLearners(const std::map<uint32_t, std::string>& living) {
  {
    MutexLock lock(mutex_);
    if (joined_ != nullptr && !saving_ &&
        std::min(joined_->waiting(), options_.clock() - stopped_at_) >=
            options_.stop_patience) {
      AHA_LOG(kWarning) << "stopping without the other learner ranks: "
                        << "they did not come within "
                        << absl::FormatDuration(joined_->waiting());
      joined_->Abort(VoidStep());
    }
    bool missing = false;
    for (uint32_t rank = 0; rank < group_addresses_.size(); ++rank) {
      const auto it = living.find(rank);
      missing |= it == living.end() || it->second != group_addresses_[rank];
    }
    times_missing_ = missing ? times_missing_ + 1 : 0;
    if (times_missing_ < 2) return;
    // Also in the middle of a step: the lost rank never answers.
    if (joined_ != nullptr) joined_->Abort(VoidStep());
  }
  buffer_.Close();
}

void Learner::LeaveGroup() {
  {
    MutexLock lock(mutex_);
    group_addresses_.clear();
    joined_ = nullptr;
  }
  comm_.reset();
  group_.reset();
}

absl::StatusOr<v1::NextStageResponse> Learner::AwaitStage() {
  return Waiting("next_stage", "the coordinator's next stage",
                 [&]() -> absl::StatusOr<v1::NextStageResponse> {
                   while (!stopping_) {
                     absl::StatusOr<v1::NextStageResponse> next =
                         cluster_.NextStage();
                     if (absl::IsAborted(next.status())) continue;
                     if (!next.ok()) return next;
                     if (next->directive() != v1::DIRECTIVE_RUN) return next;
                     if (next->stage_ready()) return next;
                   }
                   return absl::CancelledError("stopping");
                 });
}

bool Learner::MayGoOn(const absl::Status& status) {
  if (comm_ && !comm_->status().ok() && !absl::IsAborted(status)) {
    // Other ranks may have died; the coordinator will form a new rank set.
    AHA_LOG(kWarning) << "the learner rank set broke: " << status;
    cluster_.Report(
        false, absl::StrCat("the learner rank set broke: ", status.ToString()));
    broken_group_ = group_;
    LeaveGroup();
    return true;
  }
  if (absl::IsAborted(status)) {
    AHA_LOG(kInfo) << "asking for a stage again: " << status.message();
    LeaveGroup();
    return true;
  }
  return status.ok();
}

absl::Status Learner::Run() {
  if (options_.rank == 0) RemovePartialCheckpoints(options_.run_directory);
  absl::Status status;
  while (!stopping_) {
    const absl::StatusOr<v1::NextStageResponse> next = AwaitStage();
    if (!next.ok()) {
      status = next.status();
      break;
    }
    if (next->directive() != v1::DIRECTIVE_RUN) return absl::OkStatus();
    status = RunStage(*next);
    buffer_.Close();
    if (stopping_ || !MayGoOn(status)) break;
  }
  if (!stopping_) {
    cluster_.Report(true, status.ToString());
    return status;
  }
  SaveBeforeEnd();
  return absl::OkStatus();
}

void Learner::SaveBeforeEnd() {
  if (!position_ || IsSaved()) return;
  // Without a rank set only a state that is not sharded can be saved.
  if (!comm_ && state_->sharding().ranks > 1) return;
  const absl::Status saved = SaveCheckpoint();
  if (saved.ok()) return;
  AHA_LOG(kWarning) << "no checkpoint at step " << position_->next_step
                    << ", the steps since the latest one will be trained "
                    << "again: " << saved;
}

void Learner::SayMemory(const Stage& stage) const {
  const StateMemory memory = state_->Memory();
  const auto megabytes = [](int64_t bytes) {
    return absl::StrFormat("%.1f MB", static_cast<double>(bytes) * 1e-6);
  };
  const Sharding& sharding = state_->sharding();
  AHA_LOG(kInfo) << "stage " << stage.index() << ": rank " << sharding.rank
                 << " of " << sharding.ranks << " holds "
                 << megabytes(memory.optimizer) << " of the optimizer's state ("
                 << megabytes(memory.optimizer_all) << " on all ranks), "
                 << megabytes(memory.gradient) << " of gradient sums and "
                 << megabytes(memory.weights) << " of weights";
  if (gauges_.memory) gauges_.memory(memory);
}

absl::Status Learner::JoinGroup(const v1::NextStageResponse& next) {
  const GroupName name{cluster_.epoch(), next.group_epoch()};
  const int size = next.learner_addresses_size();
  if (size < 1 || options_.rank >= static_cast<uint32_t>(size)) {
    return absl::FailedPreconditionError(
        absl::StrCat("rank must be below the number of learners (", size,
                     "), is ", options_.rank));
  }
  if (broken_group_ == name && size > 1) {
    return absl::UnavailableError(
        absl::StrCat("rank set ", name.second, " broke and was offered again"));
  }
  if (comm_ && group_ == name && comm_->status().ok()) return absl::OkStatus();
  LeaveGroup();
  absl::StatusOr<std::unique_ptr<comm::Communicator>> joined = Waiting(
      "rendezvous", "the other learner ranks", [&] { return connect_(next); });
  if (absl::IsUnavailable(joined.status()) ||
      absl::IsDeadlineExceeded(joined.status())) {
    // A rank was lost before it connected.  The coordinator forms a new rank
    // set, or fails the job after cluster.wait_seconds.
    cluster_.Report(false, joined.status().ToString());
    absl::SleepFor(kEvalPause);
    return absl::AbortedError(joined.status().message());
  }
  AHA_RETURN_IF_ERROR(joined.status());
  comm_ = *std::move(joined);
  group_ = name;
  MutexLock lock(mutex_);
  group_addresses_.assign(next.learner_addresses().begin(),
                          next.learner_addresses().end());
  joined_ = comm_.get();
  times_missing_ = 0;
  return absl::OkStatus();
}

absl::Status Learner::RunStage(const v1::NextStageResponse& next) {
  if (next.stage() >= static_cast<uint32_t>(options_.job.stages_size())) {
    return absl::FailedPreconditionError(
        absl::StrCat("stage must be below ", options_.job.stages_size(),
                     ", is ", next.stage()));
  }
  if (IsEval(options_.job, next.stage())) {
    const GroupName name{cluster_.epoch(), next.stage()};
    if (options_.rank != 0 || evaluated_ == name) {
      absl::SleepFor(kEvalPause);
      return absl::OkStatus();
    }
    AHA_RETURN_IF_ERROR(BringState(next));
    AHA_RETURN_IF_ERROR(cluster_.Publish({next.stage(), 0}, state_->weights(),
                                         position_->weights_checksum));
    evaluated_ = name;
    return absl::OkStatus();
  }
  evaluated_.reset();  // A stage that runs again is published again.
  AHA_RETURN_IF_ERROR(JoinGroup(next));
  AHA_RETURN_IF_ERROR(BringState(next));
  const uint64_t first_step = next.first_step();
  AHA_ASSIGN_OR_RETURN(const std::unique_ptr<Stage> stage,
                       Stage::Open(options_.job, next.stage(), first_step,
                                   setup_, state_.get()));
  Hasher hasher;
  hasher.Hash(position_->weights_checksum);
  hasher.Hash(position_->chain);
  AHA_RETURN_IF_ERROR(CompareChecksums(hasher.Finish(), first_step, *comm_));
  if (stage->is_grpo()) {
    buffer_.Open(stage->Rules(cluster_.epoch(), options_.rank,
                              static_cast<uint32_t>(comm_->size())),
                 first_step);
  }
  SayMemory(*stage);
  if (gauges_.version) gauges_.version(first_step);
  if (options_.rank == 0) AHA_RETURN_IF_ERROR(PublishStart(*stage, first_step));
  return RunSteps(*stage, first_step);
}

}  // namespace aha::learner
