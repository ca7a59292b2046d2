// What people see and ask.
#include <algorithm>

#include "absl/strings/str_cat.h"
#include "base/status.h"
#include "coordinator/controller.h"
#include "coordinator/controller_internal.h"
#include "coordinator/summary.h"

namespace aha::coordinator {

const char* StateName(v1::JobState state) {
  switch (state) {
    case v1::JOB_STATE_PENDING:
      return "pending";
    case v1::JOB_STATE_RUNNING:
      return "running";
    case v1::JOB_STATE_PAUSED:
      return "paused";
    case v1::JOB_STATE_STOPPING:
      return "stopping";
    case v1::JOB_STATE_STOPPED:
      return "stopped";
    case v1::JOB_STATE_SUCCEEDED:
      return "succeeded";
    case v1::JOB_STATE_FAILED:
      return "failed";
    default:
      return "unknown";
  }
}

v1::JobStatus Controller::Status() {
  MutexLock lock(mutex_);
  const Position& position = history_.position();
  const Totals& totals = history_.totals();
  v1::JobStatus status;
  status.set_name(parts_.plan->job.name());
  status.set_state(state_);
  status.set_problem(problem_);
  status.set_run_directory(parts_.directory->path());
  // Before the first step there is nothing to sum.
  if (position.chain != Hash128{}) status.set_checksum(position.chain.Hex());
  if (position.weights != Hash128{}) {
    status.set_weights_checksum(position.weights.Hex());
  }
  status.set_tokens_compared(totals.tokens_compared);
  status.set_tokens_differing(totals.tokens_differing);
  status.set_started_unix_seconds(
      absl::ToDoubleSeconds(started_wall_ - absl::UnixEpoch()));
  status.set_seconds(absl::ToDoubleSeconds(parts_.clock() - started_));
  const auto stages = static_cast<uint32_t>(parts_.plan->stages.size());
  status.set_current_stage(std::min(position.stage, stages - 1));
  for (uint32_t i = 0; i < stages; ++i) {
    const StagePlan& stage = parts_.plan->stages[i];
    v1::StageStatus& shown = *status.add_stages();
    shown.set_name(stage.name);
    shown.set_type(TypeName(stage.type));
    shown.set_steps_total(stage.units());
    shown.set_seconds(StageSeconds(i));
    shown.set_done(i < position.stage);
    shown.set_running(i == position.stage && stage_runs_);
    shown.set_steps_done(i < position.stage ? stage.units() : 0);
    if (i == position.stage) {
      shown.set_steps_done(board_.has_value() ? board_->scored()
                                              : position.step);
    }
    const auto metrics = history_.latest_metrics(i);
    shown.mutable_metrics()->insert(metrics.begin(), metrics.end());
    AddEvalMetrics(i, history_.evals(), board_, shown);
  }
  if (ledger_.has_value()) {
    const LedgerCounts counts = ledger_->Counts();
    status.set_groups_leased(counts.leased);
    status.set_groups_delivered(counts.delivered);
  }
  double rate = 0;
  for (const MemberInfo* member : members_.All()) {
    if (member->role == v1::ROLE_ACTOR) rate += member->tokens_per_second;
    if (!member->waiting_for.empty()) {
      status.add_waits(
          absl::StrCat(member->name, " waits for ", member->waiting_for));
    }
  }
  status.set_rollout_tokens_per_second(rate);
  if (!over()) {
    for (const auto& [what, text] : Missing()) {
      status.add_waits(absl::StrCat("the job waits for ", text));
    }
  }
  return status;
}

absl::Status Controller::Pause() {
  const Change change(*this);
  MutexLock lock(mutex_);
  if (state_ == v1::JOB_STATE_PAUSED) return absl::OkStatus();
  if (state_ != v1::JOB_STATE_RUNNING && state_ != v1::JOB_STATE_PENDING) {
    return absl::FailedPreconditionError(
        absl::StrCat("the job is ", StateName(state_), ", it cannot pause"));
  }
  SetState(v1::JOB_STATE_PAUSED);
  return absl::OkStatus();
}

absl::Status Controller::Resume() {
  const Change change(*this);
  MutexLock lock(mutex_);
  if (state_ == v1::JOB_STATE_STOPPED && options_.lingers) return GoOn();
  if (over() || state_ == v1::JOB_STATE_STOPPING) {
    return absl::FailedPreconditionError(
        absl::StrCat("the job is ", StateName(state_), ", it cannot resume"));
  }
  if (state_ == v1::JOB_STATE_PAUSED) {
    SetState(MissingLearners().empty() ? v1::JOB_STATE_RUNNING
                                       : v1::JOB_STATE_PENDING);
  }
  return absl::OkStatus();
}

absl::Status Controller::Stop(const std::string& why) {
  const Change change(*this);
  MutexLock lock(mutex_);
  if (why.empty() && (!over() || state_ == v1::JOB_STATE_STOPPED)) {
    AHA_RETURN_IF_ERROR(Stored(parts_.store->Set({{kStopWanted, "yes"}})));
  }
  if (state_ == v1::JOB_STATE_STOPPED || state_ == v1::JOB_STATE_STOPPING) {
    return absl::OkStatus();
  }
  if (over()) {
    return absl::FailedPreconditionError(
        absl::StrCat("the job has ", StateName(state_), " already"));
  }
  if (!why.empty()) Note("stop", why);
  problem_ = why;
  // A learner that trains must save first; else there is nothing to save.
  const bool training =
      plan().trains() && start_visible_ && MissingLearners().empty();
  if (training) {
    SetState(v1::JOB_STATE_STOPPING);
  } else {
    End(v1::JOB_STATE_STOPPED);
  }
  return absl::OkStatus();
}

absl::Status Controller::Drain(const std::string& name) {
  const Change change(*this);
  MutexLock lock(mutex_);
  AHA_RETURN_IF_ERROR(members_.Drain(name));
  Note("drain", name);
  return absl::OkStatus();
}

std::vector<v1::Member> Controller::Members() {
  MutexLock lock(mutex_);
  const absl::Time now = parts_.clock();
  std::vector<v1::Member> shown;
  for (const MemberInfo* member : members_.All()) {
    v1::Member& one = shown.emplace_back();
    one.set_role(member->role);
    one.set_name(member->name);
    one.set_address(member->address);
    one.set_metrics_address(member->metrics_address);
    one.set_rank(member->rank);
    one.set_last_seen_seconds(absl::ToDoubleSeconds(now - member->last_seen));
    one.set_leases(ledger_.has_value() ? ledger_->HeldBy(member->id) : 0);
    one.set_waiting_for(member->waiting_for);
    one.set_tokens_per_second(member->tokens_per_second);
    one.set_numeric_class(member->certificate.numeric_class());
    one.set_draining(member->draining);
  }
  return shown;
}

}  // namespace aha::coordinator
