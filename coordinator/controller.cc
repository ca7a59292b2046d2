#include "coordinator/controller.h"

#include <filesystem>
#include <system_error>
#include <utility>

#include "absl/strings/str_cat.h"
#include "base/log.h"
#include "base/status.h"
#include "coordinator/controller_internal.h"
#include "coordinator/log_status.h"
#include "coordinator/summary.h"
#include "run/layout.h"

namespace aha::coordinator {

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
  AHA_RETURN_IF_ERROR(ReturnTo(
      ChooseCheckpoint(parts_.directory->path(), history_.checkpoints())));
  AHA_RETURN_IF_ERROR(LoadCertificate());
  AHA_ASSIGN_OR_RETURN(const auto stopped, parts_.store->Get(kStopWanted));
  if (options_.lingers && !stopped.value_or("").empty()) return StayStopped();
  // A summary tells of an end, and there is none now.
  parts_.directory->Remove(run::kSummaryFile);
  AHA_RETURN_IF_ERROR(parts_.store->Set(
      {{"state", StateName(state_)}, {"problem", ""}, {kStopWanted, ""}}));
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

absl::Status Controller::StayStopped() {
  SetState(v1::JOB_STATE_STOPPED);
  Note("stopped",
       "by `ahactl job stop`, before this start; `ahactl job "
       "resume` goes on");
  // Else it is that of the process that stopped.
  std::error_code ignored;
  if (!std::filesystem::exists(parts_.directory->File(run::kSummaryFile),
                               ignored)) {
    WriteSummary();
  }
  return absl::OkStatus();
}

absl::Status Controller::GoOn() {
  AHA_RETURN_IF_ERROR(Stored(parts_.store->Set({{kStopWanted, ""}})));
  parts_.directory->Remove(run::kSummaryFile);
  problem_.clear();
  told_.clear();
  SetState(v1::JOB_STATE_PENDING);
  // The learners that had what no checkpoint holds have left, or will.
  NewGroup();
  if (history_.CheckpointFits()) {
    EnterStage();
  } else {
    going_back_ = "resumed after a stop";
  }
  return absl::OkStatus();
}

absl::Status Controller::ReturnTo(const CheckpointChoice& choice) {
  for (const std::string& line : choice.refused) {
    AHA_LOG(kError) << line << "; the one before is used";
    Note("checkpoint_refused", line);
  }
  AHA_RETURN_IF_ERROR(history_.GoBack(choice.checkpoint));
  // Steps after the position come again, and so will their lines.
  WriteMetrics();
  return absl::OkStatus();
}

void Controller::WriteMetrics() {
  StateStore* const store = parts_.store;
  const absl::Status written = parts_.directory->MatchMetrics(
      [store, position = history_.position()](const run::TakeLine& take) {
        return store->EachMetricsLine(position.stage, position.step, take);
      });
  metrics_lack_ = !written.ok();
  WarnIfError(written);
}

void Controller::Recover() {
  std::vector<CheckpointRecord> checkpoints;
  {
    MutexLock lock(mutex_);
    if (!going_back_.has_value() || over()) return;
    checkpoints = history_.checkpoints();
  }
  const CheckpointChoice choice =
      ChooseCheckpoint(parts_.directory->path(), checkpoints);
  const Change change(*this);
  MutexLock lock(mutex_);
  if (over()) return;
  const Position before = history_.position();
  if (const absl::Status returned = ReturnTo(choice); !returned.ok()) {
    going_back_.reset();
    return Fail(std::string(returned.message()));
  }
  memory_lost_ = false;
  const Position& now = history_.position();
  Note("rollback",
       absl::StrCat(*going_back_, "; back from stage ", before.stage, " step ",
                    before.step, " to stage ", now.stage, " step ", now.step));
  going_back_.reset();
  EnterStage();
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
  // All learners are there, whichever way the job came to run.
  if (state == v1::JOB_STATE_RUNNING) StoreCertificate();
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
  if (metrics_lack_) WriteMetrics();
  parts_.weights->DropAll();  // Nobody samples any more.
  if (state != v1::JOB_STATE_FAILED && !history_.CheckpointFits()) {
    problem_ = absl::StrCat(
        "the last steps are in no checkpoint; the newest is ",
        history_.checkpoint().has_value() ? history_.checkpoint()->directory
                                          : "the job's start",
        learner_report_.empty() ? "" : "; last report: ", learner_report_,
        "; --resume does them again");
    AHA_LOG(kError) << problem_;
    parts_.directory->Event("problem", problem_);
    parts_.series.problems.Increment();
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
      parts_.directory->WriteWhole(run::kSummaryFile, SummaryJson(input));
  WarnIfError(written);
}

}  // namespace aha::coordinator
