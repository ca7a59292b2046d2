#include "coordinator/controller.h"

#include <algorithm>
#include <utility>

#include "absl/strings/ascii.h"
#include "absl/strings/str_cat.h"
#include "base/log.h"
#include "base/status.h"
#include "coordinator/controller_internal.h"
#include "coordinator/log_status.h"
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

absl::StatusOr<std::unique_ptr<Controller>> Controller::New(
    ControllerOptions options, Parts parts) {
  AHA_ASSIGN_OR_RETURN(History history, History::Load(parts.plan, parts.store));
  AHA_ASSIGN_OR_RETURN(const auto seconds, parts.store->StageSeconds());
  std::unique_ptr<Controller> controller(
      new Controller(options, std::move(parts), std::move(history)));
  {
    MutexLock lock(controller->mutex_);
    controller->stage_seconds_ = seconds;
  }
  AHA_RETURN_IF_ERROR(controller->Begin());
  return controller;
}

Controller::Controller(ControllerOptions options, Parts parts, History history)
    : options_(options),
      parts_(std::move(parts)),
      members_({.epoch = options.epoch,
                .ttl = parts_.plan->lease,
                .takeover = 3 * options.heartbeat,
                .learners = parts_.plan->learners},
               parts_.clock),
      history_(std::move(history)),
      started_(parts_.clock()),
      started_wall_(parts_.wall_clock()),
      last_tick_(started_) {}

absl::Status Controller::Begin() {
  MutexLock lock(mutex_);
  parts_.series.epoch.Set(static_cast<double>(options_.epoch));
  // A summary tells of an end, and there is none now.
  parts_.directory->Remove("summary.json");
  ReturnToCheckpoint();
  AHA_RETURN_IF_ERROR(LoadCertificate());
  AHA_RETURN_IF_ERROR(parts_.store->Set({{"state", StateName(state_)}}));
  const Position& position = history_.position();
  if (history_.checkpoint().has_value()) {
    Note("resumed",
         absl::StrCat("from ", history_.checkpoint()->directory, ", stage ",
                      position.stage, " step ", position.step));
  } else {
    Note("started", absl::StrCat("epoch ", options_.epoch));
  }
  parts_.series.ShowState(state_);
  for (const auto& [stage, eval] : history_.evals()) {
    parts_.series.ShowEval(parts_.plan->stages[stage].name, eval.pass_at_1,
                           eval.mean_completion_length);
  }
  EnterStage();
  return absl::OkStatus();
}

void Controller::ReturnToCheckpoint() {
  for (const std::string& line : history_.GoBack(parts_.directory->path())) {
    AHA_LOG(kError) << line << "; the one before is used";
    Note("checkpoint_refused", line);
  }
  // Steps after the position come again, and so will their lines.
  absl::StatusOr<std::string> lines = history_.MetricsLines();
  const absl::Status written =
      lines.ok() ? parts_.directory->WriteWhole("metrics.jsonl", *lines)
                 : lines.status();
  WarnIfError(written);
}

void Controller::SetAddress(const std::string& address) {
  MutexLock lock(mutex_);
  address_ = address;
}

void Controller::SetListener(std::function<void()> changed) {
  MutexLock lock(mutex_);
  listener_ = std::move(changed);
}

bool Controller::over() const {
  return state_ == v1::JOB_STATE_STOPPED || state_ == v1::JOB_STATE_SUCCEEDED ||
         state_ == v1::JOB_STATE_FAILED;
}

bool Controller::Ended() {
  MutexLock lock(mutex_);
  return over();
}

bool Controller::HasMembers() {
  MutexLock lock(mutex_);
  return !members_.All().empty();
}

const StagePlan& Controller::plan() const {
  return parts_.plan->stages[history_.position().stage];
}

void Controller::Note(const std::string& event, const std::string& text) {
  AHA_LOG(kInfo) << event << ": " << text;
  parts_.directory->Event(event, text);
}

void Controller::EnterStage() {
  const Position& position = history_.position();
  if (position.stage >= parts_.plan->stages.size()) {
    return End(v1::JOB_STATE_SUCCEEDED);
  }
  const StagePlan& stage = plan();
  first_step_ = position.step;
  start_visible_ = false;
  begun_.reset();
  asking_.clear();
  if (stage.type != StageType::kSft) {
    ledger_.emplace(LedgerOptions{.first_step = first_step_,
                                  .steps = stage.steps,
                                  .groups = stage.groups,
                                  .lag = stage.lag,
                                  .lease = parts_.plan->lease,
                                  .first_lease_id = next_lease_id_},
                    parts_.clock);
  }
  if (!stage.trains()) board_.emplace(position.stage, stage);
  stage_since_ = parts_.clock();
  stage_runs_ = state_ != v1::JOB_STATE_PENDING;
  missing_since_.clear();
  parts_.series.ShowStage(position.stage);
  ShowProgress();
  Note("stage",
       absl::StrCat(position.stage, " (", stage.name, ", ",
                    TypeName(stage.type), ") from step ", first_step_));
}

void Controller::LeaveStage() {
  const uint32_t stage = history_.position().stage;
  if (stage_runs_) stage_seconds_[stage] = StageSeconds(stage);
  stage_runs_ = false;
  if (ledger_.has_value()) next_lease_id_ = ledger_->next_lease_id();
  ledger_.reset();
  board_.reset();
}

void Controller::Advance() {
  LeaveStage();
  history_.Advance();
  EnterStage();
}

void Controller::RollBack(const std::string& why) {
  const Position before = history_.position();
  LeaveStage();
  ReturnToCheckpoint();
  NewGroup();
  memory_lost_ = false;
  parts_.series.rollbacks.Increment();
  Note("rollback",
       absl::StrCat(why, "; back from stage ", before.stage, " step ",
                    before.step, " to stage ", history_.position().stage,
                    " step ", history_.position().step));
  EnterStage();
}

double Controller::StageSeconds(uint32_t stage) const {
  const auto it = stage_seconds_.find(stage);
  double seconds = it == stage_seconds_.end() ? 0 : it->second;
  if (stage_runs_ && stage == history_.position().stage) {
    seconds += absl::ToDoubleSeconds(parts_.clock() - stage_since_);
  }
  return seconds;
}

void Controller::SetState(State state) {
  if (state == state_) return;
  if (state == v1::JOB_STATE_RUNNING && !stage_runs_) {
    stage_runs_ = true;
    stage_since_ = parts_.clock();
  }
  state_ = state;
  parts_.series.ShowState(state);
  missing_since_.clear();
  Note("state", StateName(state));
  const absl::Status stored =
      parts_.store->Set({{"state", StateName(state)}, {"problem", problem_}});
  WarnIfError(stored);
}

void Controller::Fail(const std::string& problem) {
  if (over()) return;
  AHA_LOG(kError) << problem;
  parts_.directory->Event("problem", problem);
  parts_.series.problems.Increment();
  problem_ = problem;
  End(v1::JOB_STATE_FAILED);
}

void Controller::End(State state) {
  const uint32_t stage = history_.position().stage;
  LeaveStage();
  if (stage < parts_.plan->stages.size()) {
    const absl::Status stored =
        parts_.store->PutStageSeconds(stage, StageSeconds(stage));
    WarnIfError(stored);
  }
  SetState(state);
  stage_runs_ = false;
  WriteSummary();
}

void Controller::WriteSummary() {
  SummaryInput input{.plan = parts_.plan,
                     .state = StateName(state_),
                     .problem = problem_,
                     .position = history_.position(),
                     .totals = history_.totals(),
                     .evals = history_.evals()};
  for (uint32_t i = 0; i < parts_.plan->stages.size(); ++i) {
    input.stage_seconds.push_back(StageSeconds(i));
  }
  if (train_seconds_ > 0) {
    input.train_tokens_per_second = train_tokens_ / train_seconds_;
  }
  const absl::Status written =
      parts_.directory->WriteWhole("summary.json", SummaryJson(input));
  WarnIfError(written);
}

void Controller::Tick() {
  std::function<void()> listener;
  {
    MutexLock lock(mutex_);
    const absl::Time now = parts_.clock();
    const State before = state_;
    const std::vector<MemberInfo> dead = members_.Expire();
    for (const MemberInfo& member : dead) {
      Lost(member, absl::StrCat("not heard of for ",
                                absl::FormatDuration(parts_.plan->lease)));
    }
    const uint64_t expired = ledger_.has_value() ? ledger_->Expire() : 0;
    parts_.series.leases_expired.Increment(static_cast<double>(expired));
    if (!over()) CheckWaits(now);
    last_tick_ = now;
    UpdateGauges();
    if (!dead.empty() || expired > 0 || state_ != before) listener = listener_;
  }
  if (listener) listener();
}

v1::JobStatus Controller::Status() {
  MutexLock lock(mutex_);
  const Position& position = history_.position();
  const Totals totals = history_.totals();
  v1::JobStatus status;
  status.set_name(parts_.plan->job.name());
  status.set_state(state_);
  status.set_problem(problem_);
  status.set_run_directory(parts_.directory->path());
  status.set_checksum(position.chain.Hex());
  status.set_weights_checksum(position.weights.Hex());
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
