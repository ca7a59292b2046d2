// The learner group: who is in it, which stage it runs, and when a step begins.
#include <utility>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "base/status.h"
#include "coordinator/controller.h"
#include "coordinator/controller_internal.h"

namespace aha::coordinator {
absl::StatusOr<const MemberInfo*> Controller::TouchLearner(uint64_t id,
                                                           uint64_t epoch) {
  AHA_ASSIGN_OR_RETURN(const MemberInfo* const member,
                       members_.Touch(id, epoch));
  if (member->role == v1::ROLE_LEARNER && member->certified()) return member;
  return absl::FailedPreconditionError(
      absl::StrCat(member->name, " is no learner with a certificate"));
}

std::string Controller::MissingLearners() const {
  std::vector<uint32_t> ranks;
  for (uint32_t rank = 0; rank < parts_.plan->learners; ++rank) {
    if (members_.Learner(rank) == nullptr) ranks.push_back(rank);
  }
  if (ranks.empty()) return "";
  std::string text = absl::StrCat("learner rank ", absl::StrJoin(ranks, ", "),
                                  " (of ", parts_.plan->learners);
  for (const MemberInfo* member : members_.OfRole(v1::ROLE_LEARNER)) {
    if (member->certified()) continue;
    absl::StrAppend(&text, "; rank ", member->rank,
                    " is registered and makes its certificate");
  }
  return text + ")";
}

absl::StatusOr<bool> Controller::TryNextStage(
    const v1::NextStageRequest& request, v1::NextStageResponse* response) {
  MutexLock lock(mutex_);
  AHA_ASSIGN_OR_RETURN(const MemberInfo* const member,
                       TouchLearner(request.member_id(), request.epoch()));
  const uint32_t rank = member->rank;
  response->set_directive(DirectiveFor(*member));
  if (over()) return true;
  if (going_back_.has_value()) return false;
  const bool done = plan().trains() && history_.position().step == plan().steps;
  if (rank == 0 && state_ == v1::JOB_STATE_STOPPING) {
    // It has nothing to save, or could not.
    End(v1::JOB_STATE_STOPPED);
  } else if (rank == 0 && done) {
    Advance();  // Its last checkpoint failed; the learner still has it all.
  } else if (done || state_ == v1::JOB_STATE_STOPPING) {
    return false;
  }
  if (over()) {
    response->set_directive(v1::DIRECTIVE_STOP);
    return true;
  }
  if (!MissingLearners().empty()) return false;
  if (memory_lost_ && !history_.CheckpointFits()) {
    RollBack("a learner was lost and the last checkpoint is older");
    return over();
  }
  memory_lost_ = false;
  const std::pair now(group_epoch_, history_.position().stage);
  const auto told = told_.find(rank);
  const bool again = told != told_.end() && told->second == now;
  if (!plan().trains()) {
    if (rank == 0 ? start_visible_ : again) return false;
  } else if (again) {
    // Whether the group broke is rank 0's to say: others may only be ahead.
    if (rank != 0) return false;
    if (begun_.has_value()) {
      RollBack("the learner group asked for its stage again");
      return over();
    }
    GroupBroke("the learner group asked for its stage before a step began");
    if (over()) return true;
    if (parts_.plan->learners > 1) NewGroup();
  }
  if (plan().trains()) {
    asking_.insert(rank);
    if (asking_.size() < parts_.plan->learners) return false;
  }
  FillStage(rank, response);
  return true;
}

void Controller::RollBack(const std::string& why) {
  if (going_back_.has_value()) return;
  GroupBroke(why);
  if (over()) return;
  LeaveStage();
  NewGroup();
  start_visible_ = false;
  begun_.reset();
  going_back_ = why;
  parts_.series.rollbacks.Increment();
}

void Controller::GroupBroke(const std::string& why) {
  if (++broken_groups_ < options_.most_broken_groups) return;
  const Position& position = history_.position();
  Fail(absl::StrCat(
      "the learner group broke ", broken_groups_,
      " times without a new step, at stage ", position.stage, " (", plan().name,
      ") step ", position.step, "; last: ", why,
      learner_report_.empty() ? "" : "; last report: ", learner_report_,
      "; see the learners' logs"));
}

void Controller::NewGroup() {
  ++group_epoch_;
  asking_.clear();
}

bool Controller::InGroup(uint32_t rank) const {
  const auto told = told_.find(rank);
  return told != told_.end() &&
         told->second == std::pair(group_epoch_, history_.position().stage);
}

void Controller::FillStage(uint32_t rank, v1::NextStageResponse* response) {
  const Position& position = history_.position();
  response->set_stage_ready(true);
  response->set_stage(position.stage);
  response->set_first_step(position.step);
  if (history_.checkpoint().has_value()) {
    response->set_checkpoint(history_.checkpoint()->directory);
  }
  for (uint32_t i = 0; i < parts_.plan->learners; ++i) {
    response->add_learner_addresses(members_.Learner(i)->address);
  }
  response->set_group_epoch(group_epoch_);
  response->set_chain(position.chain.ToBytes());
  told_[rank] = {group_epoch_, position.stage};
}

absl::StatusOr<bool> Controller::TryBeginStep(
    const v1::BeginStepRequest& request, v1::BeginStepResponse* response) {
  MutexLock lock(mutex_);
  AHA_ASSIGN_OR_RETURN(const MemberInfo* const member,
                       TouchLearner(request.member_id(), request.epoch()));
  const Position& position = history_.position();
  if (over() || request.stage() != position.stage || !plan().trains() ||
      request.step() != position.step || position.step >= plan().steps) {
    return absl::FailedPreconditionError(absl::StrCat(
        "step: stage ", request.stage(), " step ", request.step(),
        " is not the next one (the job is ", StateName(state_), " at stage ",
        position.stage, " step ", position.step, "); ask NextStage"));
  }
  if (!InGroup(member->rank)) return AnotherGroup(member->rank);
  response->set_progress(progress_);
  response->set_go(v1::BeginStepResponse::GO);
  if (begun_ == position.step) return true;
  if (state_ == v1::JOB_STATE_STOPPING) {
    response->set_go(v1::BeginStepResponse::STOP_AFTER_CHECKPOINT);
    return true;
  }
  if (state_ != v1::JOB_STATE_RUNNING) {
    response->set_go(v1::BeginStepResponse::WAIT);
    return false;
  }
  begun_ = position.step;
  return true;
}

}  // namespace aha::coordinator
