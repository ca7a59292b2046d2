#include "learner/rank_set.h"

#include <algorithm>

#include "absl/strings/str_cat.h"
#include "base/log.h"
#include "base/status.h"

namespace aha::learner {
namespace {

// Lists of living learners that must lack a rank before it counts as lost.
constexpr int kTimesMissing = 2;

}  // namespace

absl::Status WaitEndedFromOutside() {
  return absl::AbortedError("the step or the wait in progress is void");
}

RankSet::RankSet(uint32_t rank, absl::Duration stop_patience, Clock clock,
                 Connect connect)
    : rank_(rank),
      stop_patience_(stop_patience),
      clock_(std::move(clock)),
      connect_(std::move(connect)) {}

absl::Status RankSet::Join(uint64_t coordinator_epoch,
                           const v1::NextStageResponse& next) {
  const Name name{coordinator_epoch, next.group_epoch()};
  const int size = next.learner_addresses_size();
  if (size < 1 || rank_ >= static_cast<uint32_t>(size)) {
    return absl::FailedPreconditionError(absl::StrCat(
        "rank must be below the number of learners (", size, "), is ", rank_));
  }
  // A set of one cannot break by losing a rank.
  if (broken_name_ == name && size > 1) {
    return absl::UnavailableError(
        absl::StrCat("rank set ", name.second, " broke and was offered again"));
  }
  if (comm_ && name_ == name && comm_->status().ok()) return absl::OkStatus();
  Leave();
  absl::StatusOr<std::unique_ptr<comm::Communicator>> connected =
      connect_(next);
  if (absl::IsUnavailable(connected.status()) ||
      absl::IsDeadlineExceeded(connected.status())) {
    return absl::AbortedError(connected.status().message());
  }
  AHA_RETURN_IF_ERROR(connected.status());
  comm_ = *std::move(connected);
  name_ = name;
  MutexLock lock(mutex_);
  addresses_.assign(next.learner_addresses().begin(),
                    next.learner_addresses().end());
  shared_comm_ = comm_.get();
  times_missing_ = 0;
  return absl::OkStatus();
}

void RankSet::Leave() {
  {
    MutexLock lock(mutex_);
    addresses_.clear();
    shared_comm_ = nullptr;
  }
  comm_.reset();
  name_.reset();
}

void RankSet::LeaveBroken() {
  broken_name_ = name_;
  Leave();
}

void RankSet::SetActivity(Activity activity) {
  MutexLock lock(mutex_);
  activity_ = activity;
}

void RankSet::Interrupt() {
  MutexLock lock(mutex_);
  if (activity_ == Activity::kNextStepWait && shared_comm_ != nullptr) {
    shared_comm_->Abort(WaitEndedFromOutside());
  }
}

void RankSet::Stop() {
  stopping_ = true;
  MutexLock lock(mutex_);
  stopped_at_ = std::min(stopped_at_, clock_());
}

void RankSet::AbortIfStopTakesTooLong() {
  if (shared_comm_ == nullptr || activity_ == Activity::kCheckpointWrite) {
    return;
  }
  const absl::Duration waiting = shared_comm_->waiting();
  if (std::min(waiting, clock_() - stopped_at_) < stop_patience_) return;
  AHA_LOG(kWarning) << "stopping without the other learner ranks: they did "
                    << "not come within " << absl::FormatDuration(waiting);
  shared_comm_->Abort(WaitEndedFromOutside());
}

bool RankSet::OnLivingLearners(const std::map<uint32_t, std::string>& living) {
  MutexLock lock(mutex_);
  AbortIfStopTakesTooLong();
  bool missing = false;
  for (uint32_t rank = 0; rank < addresses_.size(); ++rank) {
    const auto it = living.find(rank);
    missing |= it == living.end() || it->second != addresses_[rank];
  }
  times_missing_ = missing ? times_missing_ + 1 : 0;
  if (times_missing_ < kTimesMissing) return false;
  // Also in the middle of a step: the rank that was lost never answers.
  if (shared_comm_ != nullptr) shared_comm_->Abort(WaitEndedFromOutside());
  return true;
}

}  // namespace aha::learner
