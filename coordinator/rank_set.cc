#include "coordinator/rank_set.h"

#include "absl/strings/str_cat.h"

namespace aha::coordinator {

RankSet::Answer RankSet::Ask(uint32_t rank, const Situation& now) {
  if (uncheckpointed_loss_ && !now.checkpoint_fits) {
    return {Decision::kRollBack,
            "a learner was lost and the last checkpoint is older"};
  }
  // The checkpoint holds all that the lost rank held.
  uncheckpointed_loss_ = false;
  const bool again = IsAssigned(rank, now.stage);
  if (!now.trains) {
    const bool served = rank == 0 ? now.weights_there : again;
    return {served ? Decision::kWait : Decision::kAssign};
  }
  if (again) {
    // Only rank 0 says that the set broke: another rank that asks again may
    // have done the last step before rank 0 has committed it.
    if (rank != 0) return {Decision::kWait};
    if (now.step_begun) {
      return {Decision::kRollBack, "rank 0 asked for its stage again"};
    }
    const std::string why = "rank 0 asked for its stage before a step began";
    if (CountBreak(why)) return {Decision::kFailed, why};
    // A set of one rank needs no rendezvous, so its name may stay.
    if (options_.ranks > 1) Renew();
  }
  ranks_waiting_.insert(rank);
  return {ranks_waiting_.size() < options_.ranks ? Decision::kWait
                                                 : Decision::kAssign};
}

void RankSet::Assign(uint32_t rank, uint32_t stage) {
  assigned_stage_[rank] = {epoch_, stage};
}

bool RankSet::IsAssigned(uint32_t rank, uint32_t stage) const {
  const auto it = assigned_stage_.find(rank);
  return it != assigned_stage_.end() && it->second == std::pair(epoch_, stage);
}

void RankSet::Renew() {
  ++epoch_;
  ranks_waiting_.clear();
}

bool RankSet::Lose(uint32_t rank) {
  if (assigned_stage_.erase(rank) == 0) return false;
  uncheckpointed_loss_ = true;
  return true;
}

bool RankSet::CountBreak(const std::string& why) {
  last_break_ = why;
  return ++breaks_ > options_.max_breaks;
}

std::string RankSet::FailureText(const std::string& where) const {
  return absl::StrCat(
      "the learner rank set broke ", breaks_, " times without a new step, at ",
      where, "; the last time: ", last_break_,
      last_report_.empty() ? "" : "; last report of a learner: ", last_report_,
      "; see the logs of the learners");
}

void RankSet::BeginRollback(const std::string& why) {
  Renew();
  rollback_reason_ = why;
}

std::string RankSet::EndRollback() {
  std::string why = *std::move(rollback_reason_);
  rollback_reason_.reset();
  uncheckpointed_loss_ = false;
  return why;
}

}  // namespace aha::coordinator
