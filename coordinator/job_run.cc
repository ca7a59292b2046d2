#include "coordinator/job_run.h"

#include <algorithm>
#include <utility>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "base/log.h"
#include "base/status.h"
#include "coordinator/log_status.h"

namespace aha::coordinator {
namespace {

// In the store; "" or absent: the owner of the job did not ask for a stop.
constexpr char kStopWanted[] = "stop_wanted";

absl::Status VoidRankSet(uint32_t rank) {
  return absl::FailedPreconditionError(
      absl::StrCat("rank: the rank set of rank ", rank,
                   " broke (a rank was lost); ask NextStage"));
}

// Which actors hold the groups that have not come, and what they wait for.
std::string HoldersText(const Ledger& ledger, const Membership& members) {
  constexpr size_t kMaxNamed = 8;
  std::map<uint64_t, std::vector<uint32_t>> slots;  // By actor.
  for (const LedgerHold& hold : ledger.Holds()) {
    slots[hold.member].push_back(hold.slot);
  }
  std::vector<std::string> parts;
  for (auto& [id, held] : slots) {
    const MemberInfo* actor = members.Find(id);
    if (actor == nullptr) continue;
    const size_t all = held.size();
    held.resize(std::min(all, kMaxNamed));
    parts.push_back(absl::StrCat(
        actor->name, " has slot ", absl::StrJoin(held, ", "),
        all > held.size() ? absl::StrCat(" and ", all - held.size(), " more")
                          : "",
        actor->waiting_for.empty() ? " and reports no wait" : " and waits for ",
        actor->waiting_for));
  }
  if (const uint64_t pending = ledger.Counts().pending; pending > 0) {
    parts.push_back(absl::StrCat(pending, " groups are leased to no actor"));
  }
  return absl::StrJoin(parts, "; ");
}

}  // namespace

absl::StatusOr<std::unique_ptr<JobRun>> JobRun::New(
    const JobRunOptions& options, JobParts parts) {
  AHA_ASSIGN_OR_RETURN(History history, History::Load(parts.plan, parts.store));
  AHA_ASSIGN_OR_RETURN(auto seconds, parts.store->StageSeconds());
  std::unique_ptr<JobRun> job(new JobRun(
      options, std::move(parts), std::move(history), std::move(seconds)));
  AHA_RETURN_IF_ERROR(job->Begin());
  return job;
}

JobRun::JobRun(const JobRunOptions& options, JobParts parts, History history,
               std::map<uint32_t, double> stage_seconds)
    : options_(options),
      parts_(std::move(parts)),
      history_(std::move(history)),
      ranks_({.ranks = parts_.plan->learners,
              .max_breaks = options.max_broken_rank_sets}),
      waits_(parts_.plan->wait, parts_.series.waits, parts_.clock()),
      recorder_({.plan = parts_.plan,
                 .directory = parts_.directory,
                 .store = parts_.store,
                 .series = parts_.series,
                 .clock = parts_.clock,
                 .wall_clock = parts_.wall_clock,
                 .data = parts_.data},
                std::move(stage_seconds)) {}

absl::Status JobRun::Begin() {
  recorder_.ShowEpoch(options_.epoch);
  AHA_RETURN_IF_ERROR(recorder_.RestoreMark());
  AHA_RETURN_IF_ERROR(ReturnTo(
      ChooseCheckpoint(parts_.directory->path(), history_.checkpoints())));
  AHA_ASSIGN_OR_RETURN(const auto stopped, parts_.store->Get(kStopWanted));
  if (options_.lingers && !stopped.value_or("").empty()) {
    StayStopped();
    return absl::OkStatus();
  }
  // A summary says how a job ended, and this one has not.
  recorder_.RemoveSummary();
  AHA_RETURN_IF_ERROR(
      parts_.store->Set({{"state", std::string(StateName(state_))},
                         {"problem", ""},
                         {kStopWanted, ""}}));
  const Position& position = history_.position();
  if (history_.checkpoint().has_value()) {
    recorder_.Event(
        "resumed",
        absl::StrCat("from ", history_.checkpoint()->directory, ", stage ",
                     position.stage, " step ", position.step));
  } else {
    recorder_.Event("started", absl::StrCat("epoch ", options_.epoch));
  }
  recorder_.ShowState(state_);
  for (const auto& [stage, eval] : history_.evals()) recorder_.ShowEval(eval);
  EnterStage();
  return absl::OkStatus();
}

void JobRun::StayStopped() {
  SetState(run::JobState::kStopped);
  recorder_.Event("stopped",
                  "by `ahactl job stop`, before this start; `ahactl job "
                  "resume` continues it");
  // If there is one, the process that stopped has written it.
  if (!recorder_.HasSummary()) WriteSummary();
}

absl::Status JobRun::Restart() {
  AHA_RETURN_IF_ERROR(Stored(parts_.store->Set({{kStopWanted, ""}})));
  recorder_.RemoveSummary();
  failure_.clear();
  SetState(run::JobState::kPending);
  // The learners that held what no checkpoint holds have left, or will.
  ranks_.Forget();
  ranks_.Renew();
  ranks_.CancelRollback();
  if (history_.CheckpointFits()) {
    EnterStage();
  } else {
    ranks_.BeginRollback("resumed after a stop");
  }
  return absl::OkStatus();
}

absl::Status JobRun::ReturnTo(const CheckpointChoice& choice) {
  for (const std::string& line : choice.refused) {
    AHA_LOG(kError) << line << "; the one before is used";
    recorder_.Event("checkpoint_refused", line);
  }
  AHA_RETURN_IF_ERROR(history_.GoBack(choice.checkpoint));
  // The steps after the position are done again, and write their lines again.
  recorder_.MatchMetrics(history_.position());
  return absl::OkStatus();
}

std::optional<std::vector<CheckpointRecord>> JobRun::CheckpointsToVerify()
    const {
  if (!ranks_.rolling_back() || over()) return std::nullopt;
  return history_.checkpoints();
}

void JobRun::EndRollback(const CheckpointChoice& choice) {
  if (!ranks_.rolling_back() || over()) return;
  const Position before = history_.position();
  if (const absl::Status returned = ReturnTo(choice); !returned.ok()) {
    ranks_.CancelRollback();
    return Fail(std::string(returned.message()));
  }
  const Position& now = history_.position();
  recorder_.Event("rollback",
                  absl::StrCat(ranks_.EndRollback(), "; back from stage ",
                               before.stage, " step ", before.step,
                               " to stage ", now.stage, " step ", now.step));
  EnterStage();
}

void JobRun::SetState(run::JobState state) {
  if (state == state_) return;
  state_ = state;
  if (state == run::JobState::kRunning) recorder_.StartClock();
  recorder_.ShowState(state);
  waits_.Restart();
  const std::string name(StateName(state));
  recorder_.Event("state", name);
  WarnIfError(parts_.store->Set({{"state", name}, {"problem", failure_}}));
}

void JobRun::LearnersArrived() {
  if (state_ == run::JobState::kPending) SetState(run::JobState::kRunning);
}

void JobRun::Fail(const std::string& why) {
  if (over()) return;
  recorder_.Failure(why);
  failure_ = why;
  End(run::JobState::kFailed);
}

void JobRun::End(run::JobState state) {
  const uint32_t stage = history_.position().stage;
  // What the stage has so far need not be done again after a resume.
  if (run_ != nullptr) WarnIfError(run_->Save());
  LeaveStage();
  if (stage < parts_.plan->stages.size()) {
    WarnIfError(
        parts_.store->PutStageSeconds(stage, recorder_.StageSeconds(stage)));
  }
  recorder_.RepairMetrics(history_.position());
  parts_.weights->DropAll();  // No actor samples any more.
  if (state != run::JobState::kFailed && !history_.CheckpointFits()) {
    const std::string& report = ranks_.last_report();
    failure_ = absl::StrCat(
        "the last steps are in no checkpoint; the newest is ",
        history_.checkpoint().has_value() ? history_.checkpoint()->directory
                                          : "the start of the job",
        report.empty() ? "" : "; last report of a learner: ", report,
        "; --resume does these steps again");
    recorder_.Failure(failure_);
  }
  SetState(state);
  WriteSummary();
}

void JobRun::WriteSummary() {
  recorder_.WriteSummary(state_, failure_, history_);
}

absl::Status JobRun::Stored(absl::Status status) {
  if (waits_.NoteStore(status)) {
    recorder_.Failure(absl::StrCat(
        status.message(), "; nothing is recorded until the disk takes it"));
  }
  return status;
}

void JobRun::EnterStage() {
  const Position& position = history_.position();
  if (position.stage >= parts_.plan->stages.size()) {
    return End(run::JobState::kSucceeded);
  }
  LeaveStage();
  absl::StatusOr<std::unique_ptr<StageRun>> run =
      BeginStage({.plan = parts_.plan,
                  .history = &history_,
                  .weights = parts_.weights,
                  .recorder = &recorder_,
                  .run_directory = parts_.directory->path(),
                  .clock = parts_.clock,
                  .first_lease_id = next_lease_id_});
  if (!run.ok()) return Fail(std::string(run.status().message()));
  run_ = *std::move(run);
  ranks_.EnterStage();
  waits_.Restart();
  const StagePlan& plan = run_->plan();
  recorder_.EnterStage(position.stage, state_ != run::JobState::kPending,
                       absl::StrCat(position.stage, " (", plan.name, ", ",
                                    plan.kind, ") from step ", position.step));
  if (run_->IsComplete()) FinishStage();
}

void JobRun::LeaveStage() {
  recorder_.LeaveStage();
  if (run_ != nullptr && run_->ledger() != nullptr) {
    next_lease_id_ = run_->ledger()->next_lease_id();
  }
  run_.reset();
}

void JobRun::Advance() {
  LeaveStage();
  history_.Advance();
  EnterStage();
}

void JobRun::FinishStage() {
  const absl::Status recorded = Stored(run_->RecordEnd());
  if (recorded.ok()) return Advance();
  // Otherwise Tick tries again.
  if (!absl::IsUnavailable(recorded)) Fail(std::string(recorded.message()));
}

absl::Status JobRun::Pause() {
  if (state_ == run::JobState::kPaused) return absl::OkStatus();
  if (state_ != run::JobState::kRunning && state_ != run::JobState::kPending) {
    return absl::FailedPreconditionError(
        absl::StrCat("the job is ", StateName(state_), ", it cannot pause"));
  }
  SetState(run::JobState::kPaused);
  return absl::OkStatus();
}

absl::Status JobRun::Resume(bool learners_there) {
  if (state_ == run::JobState::kStopped && options_.lingers) return Restart();
  if (over() || state_ == run::JobState::kStopping) {
    return absl::FailedPreconditionError(
        absl::StrCat("the job is ", StateName(state_), ", it cannot resume"));
  }
  if (state_ == run::JobState::kPaused) {
    SetState(learners_there ? run::JobState::kRunning
                            : run::JobState::kPending);
  }
  return absl::OkStatus();
}

absl::Status JobRun::Stop(const std::string& why, bool learners_there) {
  if (why.empty() && (!over() || state_ == run::JobState::kStopped)) {
    AHA_RETURN_IF_ERROR(Stored(parts_.store->Set({{kStopWanted, "yes"}})));
  }
  if (state_ == run::JobState::kStopped || state_ == run::JobState::kStopping) {
    return absl::OkStatus();
  }
  if (over()) {
    return absl::FailedPreconditionError(
        absl::StrCat("the job has ", StateName(state_), " already"));
  }
  if (!why.empty()) recorder_.Event("stop", why);
  failure_ = why;
  // Learners that train save first; others have nothing to save.
  const bool training = run_ != nullptr && run_->plan().trains() &&
                        run_->started() && learners_there;
  if (training) {
    SetState(run::JobState::kStopping);
  } else {
    End(run::JobState::kStopped);
  }
  return absl::OkStatus();
}

// ---------------------------------------------------------------------------
// Learners

bool JobRun::LeaveDoneStage(uint32_t rank) {
  const bool stopping = state_ == run::JobState::kStopping;
  const bool done = run_->AllStepsCommitted();
  if (!stopping && !done) return true;
  if (rank != 0) return false;
  if (stopping) {
    End(run::JobState::kStopped);  // It has nothing to save, or could not.
  } else {
    // The last checkpoint failed, but the learner holds all of it still.
    Advance();
  }
  return true;
}

JobRun::Ask JobRun::AskStage(uint32_t rank, bool learners_there) {
  if (over()) return Ask::kEnded;
  if (ranks_.rolling_back() || !LeaveDoneStage(rank)) return Ask::kWait;
  if (over()) return Ask::kEnded;  // With the stage that was left.
  if (!learners_there) return Ask::kWait;
  const RankSet::Answer answer =
      ranks_.Ask(rank, {.stage = run_->stage(),
                        .trains = run_->plan().trains(),
                        .weights_there = run_->started(),
                        .step_begun = run_->begun_step().has_value(),
                        .checkpoint_fits = history_.CheckpointFits()});
  switch (answer.decision) {
    case RankSet::Decision::kWait:
      return Ask::kWait;
    case RankSet::Decision::kAssign:
      ranks_.Assign(rank, run_->stage());
      return Ask::kAssigned;
    case RankSet::Decision::kRollBack:
      RollBack(answer.why);
      break;
    case RankSet::Decision::kFailed:
      FailRankSet();
  }
  return over() ? Ask::kEnded : Ask::kWait;
}

void JobRun::LoseRank(uint32_t rank, const std::string& how) {
  if (!ranks_.Lose(rank)) return;
  if (state_ == run::JobState::kStopping) {
    // Rank 0 can save without the others, but they cannot without it.
    if (rank == 0) End(run::JobState::kStopped);
    return;
  }
  if (run_ != nullptr && !run_->NeedsRank(rank)) return ranks_.Renew();
  RollBack(absl::StrCat("learner rank ", rank, " ", how));
}

void JobRun::RollBack(const std::string& why) {
  if (ranks_.rolling_back()) return;
  if (ranks_.CountBreak(why)) return FailRankSet();
  LeaveStage();
  ranks_.BeginRollback(why);
  parts_.series.rollbacks.Increment();
}

void JobRun::FailRankSet() {
  const Position& position = history_.position();
  Fail(ranks_.FailureText(absl::StrCat("stage ", position.stage, " (",
                                       parts_.plan->stages[position.stage].name,
                                       ") step ", position.step)));
}

absl::Status JobRun::CheckNextStep(uint32_t rank, uint32_t stage,
                                   uint64_t step) const {
  const Position& position = history_.position();
  const bool next = !over() && stage == position.stage &&
                    step == position.step &&
                    parts_.plan->stages[stage].trains() &&
                    step < parts_.plan->stages[stage].steps;
  if (!next) {
    return absl::FailedPreconditionError(absl::StrCat(
        "step: stage ", stage, " step ", step,
        " is not the next one (the job is ", StateName(state_), " at stage ",
        position.stage, " step ", position.step, "); ask NextStage"));
  }
  return ranks_.IsAssigned(rank, stage) ? absl::OkStatus() : VoidRankSet(rank);
}

absl::Status JobRun::CommitStep(const CommitRecord& commit,
                                const std::map<std::string, double>& metrics) {
  if (commit.tokens_differing > 0) {
    parts_.series.tokens_differing.Increment(
        static_cast<double>(commit.tokens_differing));
    Fail(absl::StrCat("exactness lost: ", commit.tokens_differing, " of ",
                      commit.tokens_compared, " log-probabilities of stage ",
                      commit.stage, " step ", commit.step,
                      " differ between actor and learner"));
    return absl::FailedPreconditionError(failure_);
  }
  const Position& position = history_.position();
  if (commit.stage == position.stage && commit.step == position.step) {
    // A void rank set has no run: it went with the rollback.
    if (!ranks_.IsAssigned(0, commit.stage)) return VoidRankSet(0);
    AHA_RETURN_IF_ERROR(run_->CheckCommit(commit));
  }
  const absl::StatusOr<History::Committed> committed =
      history_.Commit(commit, recorder_.StageSeconds(commit.stage));
  if (absl::IsDataLoss(committed.status())) {
    Fail(std::string(committed.status().message()));
  }
  AHA_RETURN_IF_ERROR(Stored(committed.status()));
  if (*committed == History::Committed::kNew) ranks_.StepCommitted();
  if (*committed == History::Committed::kAgain) return absl::OkStatus();
  run_->Commit(commit);
  recorder_.RecordStep(commit, metrics, history_.position());
  return absl::OkStatus();
}

absl::Status JobRun::CommitCheckpoint(const CheckpointRecord& record) {
  if (ranks_.rolling_back()) return VoidRankSet(0);
  const Position& position = history_.position();
  if (const auto& last = history_.checkpoint();
      last.has_value() && last->directory == record.directory &&
      last->chain == record.chain && last->stage == record.stage &&
      last->next_step == record.next_step) {
    return absl::OkStatus();  // A repeated request.
  }
  if (record.stage != position.stage || record.next_step != position.step ||
      record.chain != position.chain) {
    return absl::FailedPreconditionError(absl::StrCat(
        "next_step: the job is at stage ", position.stage, " step ",
        position.step, " with chain ", position.chain.Hex(),
        ", the checkpoint at stage ", record.stage, " step ", record.next_step,
        " with ", record.chain.Hex()));
  }
  AHA_RETURN_IF_ERROR(
      CheckManifest(parts_.directory->File(record.directory), record));
  AHA_RETURN_IF_ERROR(Stored(
      history_.AddCheckpoint(record, recorder_.StageSeconds(record.stage))));
  parts_.series.checkpoints.Increment();
  recorder_.Event("checkpoint",
                  absl::StrCat(record.directory, ", stage ", record.stage,
                               " step ", record.next_step));
  const bool stopping = state_ == run::JobState::kStopping;
  if (run_->AllStepsCommitted()) Advance();
  if (stopping && !over()) End(run::JobState::kStopped);
  return absl::OkStatus();
}

// ---------------------------------------------------------------------------
// Groups, weights and time

absl::Status JobRun::Deliver(const v1::ScoredGroup& group) {
  const uint32_t stage = group.context().key().stage();
  if (run_ == nullptr || stage != run_->stage()) {
    return absl::FailedPreconditionError(absl::StrCat(
        "key: stage ", stage, " is not running; the job is ", StateName(state_),
        " at stage ", history_.position().stage));
  }
  const absl::StatusOr<bool> added = run_->Deliver(group);
  if (absl::IsDataLoss(added.status())) {
    Fail(std::string(added.status().message()));
  }
  AHA_RETURN_IF_ERROR(added.status());
  if (*added) waits_.AddProgress();
  recorder_.ShowProgress();
  if (run_->IsComplete()) FinishStage();
  return absl::OkStatus();
}

absl::Status JobRun::AdmitVersion(WeightsId id) const {
  if (run_ == nullptr || id.stage != run_->stage()) {
    return absl::FailedPreconditionError(absl::StrCat(
        "id: stage ", id.stage, " is not running (the job is ",
        StateName(state_), " at stage ", history_.position().stage, ")"));
  }
  return run_->AdmitVersion(id.version);
}

absl::Status JobRun::VersionArrived(WeightsId id) {
  if (over()) parts_.weights->DropAll();
  // The stage may have changed during the transfer.
  if (run_ == nullptr || id.stage != run_->stage()) return absl::OkStatus();
  absl::Status status = run_->VersionArrived(id.version);
  if (absl::IsDataLoss(status)) Fail(std::string(status.message()));
  return status;
}

void JobRun::SaveStage() {
  if (run_ == nullptr) return;
  // The disk took nothing when the last group came.
  if (run_->IsComplete()) return FinishStage();
  if (!run_->WantsSave()) return;
  const absl::Status saved = Stored(run_->Save());
  if (!saved.ok() && !absl::IsUnavailable(saved)) {
    Fail(std::string(saved.message()));
  }
}

std::vector<Wait> JobRun::Missing(const Membership& members) const {
  WaitFacts facts;
  facts.rolling_back = ranks_.rolling_back();
  if (run_ == nullptr) return waits_.Missing(facts);
  facts.missing_learners = members.MissingLearners();
  facts.learners_done = !run_->NeedsRank(0);
  facts.actors = members.Count(v1::ROLE_ACTOR);
  facts.reward_replicas = members.Count(v1::ROLE_REWARD);
  if (const Ledger* const ledger = run_->ledger()) {
    const LedgerCounts counts = ledger->Counts();
    facts.samples = true;
    facts.groups_to_sample = counts.pending + counts.leased;
  }
  if (!run_->started()) {
    facts.missing_weights =
        absl::StrCat("rank 0 to publish the first weights of ", run_->Name(),
                     ", version ", run_->first_step());
  }
  return waits_.Missing(facts);
}

void JobRun::CheckWaits(const Membership& members) {
  const absl::Time now = parts_.clock();
  if (over() || state_ == run::JobState::kPaused) return waits_.Skip(now);
  const std::vector<Wait> missing = Missing(members);
  if (const auto why = waits_.Check(now, missing)) return Fail(*why);
  // The groups of a step are watched by the learners that wait for them; those
  // that this process collects, here: as long as anything moves.
  const bool watched = run_ != nullptr && run_->collects_groups() &&
                       run_->started() && missing.empty();
  if (!waits_.CheckMovement(now, watched)) return;
  Fail(absl::StrCat(
      run_->plan().kind, " ", run_->Name(), ": nothing moved for ",
      absl::FormatDuration(waits_.limit()), " (cluster.wait_seconds), ",
      run_->UnitsDone(), " of ", run_->plan().groups, " groups arrived; ",
      HoldersText(*run_->ledger(), members),
      "; see the logs of the actors and of the reward replicas"));
}

}  // namespace aha::coordinator
