// A job while it runs: its state, the stage at which it stands, and how it
// moves from one to the next, forward and back.
//
//   PENDING --all learners are members--> RUNNING <--> PAUSED
//   RUNNING, PAUSED --Stop--> STOPPING --checkpoint--> STOPPED
//   RUNNING --last stage done--> SUCCEEDED;  any state --failure--> FAILED
//   STOPPED --Resume, if the coordinator lingers--> PENDING
//
//   1. New finds the newest checkpoint that verifies, goes to its position and
//      enters the stage there.
//   2. A stage ends when its last step is committed and checkpointed
//      (CommitStep, CommitCheckpoint) or its result is whole (Deliver); the
//      next one is entered at once.
//   3. When the learner rank set breaks (LoseRank, AskStage), the stage is left
//      and a rollback begins.  The caller verifies CheckpointsToVerify, which
//      takes long, and passes its choice to EndRollback.
//   4. The job ends after its last stage, by Stop, or by Fail.  Then, and
//      during a rollback, no stage runs: run() is null.
//
// Usage (Controller does this under its lock):
//
//   auto job = JobRun::New({.epoch = 1}, parts);
//   (*job)->LearnersArrived();
//   JobRun::Ask ask = (*job)->AskStage(rank);
//   if (ask == JobRun::Ask::kAssigned) ...
//   status = (*job)->CommitStep(commit, metrics);
//
// It knows members only as arguments.  Thread-compatible: callers lock.
#pragma once

#include <map>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/time/time.h"
#include "aha/v1/admin.pb.h"
#include "base/clock.h"
#include "coordinator/history.h"
#include "coordinator/job_state.h"
#include "coordinator/membership.h"
#include "coordinator/rank_set.h"
#include "coordinator/run_recorder.h"
#include "coordinator/series.h"
#include "coordinator/stages/stage_run.h"
#include "coordinator/wait_monitor.h"
#include "coordinator/weights_store.h"
#include "job/plan.h"
#include "run/summary.h"
#include "run/writer.h"

namespace aha::coordinator {

struct JobRunOptions {
  uint64_t epoch = 1;
  // The learner rank set may break this often without a new step in between;
  // then the job fails.
  int most_broken_rank_sets = 5;
  // The process stays when the job has ended, and its host starts again what
  // ends.  So a job that its owner stopped stays stopped, also in the process
  // that follows, until the owner resumes it.
  bool lingers = false;
};

// Nothing is owned; all must outlive the run.
struct JobParts {
  const JobPlan* plan = nullptr;
  run::RunWriter* directory = nullptr;
  StateStore* store = nullptr;
  WeightsStore* weights = nullptr;
  Clock clock;       // Monotonic, for every deadline.
  Clock wall_clock;  // For people.
  Series series;
  std::vector<run::DataSummary> data = {};  // For the summary.
};

class JobRun {
 public:
  static absl::StatusOr<std::unique_ptr<JobRun>> New(
      const JobRunOptions& options, JobParts parts);
  JobRun(const JobRun&) = delete;
  JobRun& operator=(const JobRun&) = delete;

  v1::JobState state() const { return state_; }
  bool over() const { return IsEndState(state_); }
  // Why the job failed or stopped, or what its result lacks; "" otherwise.
  const std::string& failure() const { return failure_; }
  const Position& position() const { return history_.position(); }
  const History& history() const { return history_; }
  // The stage that runs.
  StageRun* run() { return run_.get(); }
  const StageRun* run() const { return run_.get(); }
  // Of the running stage; null if none runs or it samples nothing.
  Ledger* ledger() { return run_ == nullptr ? nullptr : run_->ledger(); }
  const RankSet& ranks() const { return ranks_; }
  WaitMonitor& waits() { return waits_; }
  RunRecorder& recorder() { return recorder_; }
  const RunRecorder& recorder() const { return recorder_; }

  // --- The state
  // All learner ranks are there, with certificates.
  void LearnersArrived();
  absl::Status Pause();
  // `learners_there`: all ranks are, with certificates.
  absl::Status Resume(bool learners_there);
  // Without `why` the owner of the job stops it; see JobRunOptions::lingers.
  // With `why`, which is shown as the reason, something else does (a signal),
  // and the next process continues the job.
  absl::Status Stop(const std::string& why, bool learners_there);
  void Fail(const std::string& why);

  // --- The learners.  REQUIRES of all of these: the job is not over.
  enum class Ask {
    kWait,      // Nothing for this rank now; it is to ask again.
    kAssigned,  // The rank runs the stage from now on.
    kEnded,     // The job has ended.
  };
  // `learners_there`: all ranks are, with certificates.
  Ask AskStage(uint32_t rank, bool learners_there);
  // The process of `rank` is gone; `how` says how, for people.
  void LoseRank(uint32_t rank, const std::string& how);
  void KeepReport(const std::string& text) { ranks_.KeepReport(text); }
  // The step that the learners may begin or are in.  FAILED_PRECONDITION: it is
  // not the next one.
  absl::Status CheckNextStep(uint32_t rank, uint32_t stage,
                             uint64_t step) const;
  // DATA_LOSS, which fails the job: it was committed before with other bits.
  absl::Status CommitStep(const CommitRecord& commit,
                          const std::map<std::string, double>& metrics);
  absl::Status CommitCheckpoint(const CheckpointRecord& record);

  // --- Rollback
  // The checkpoints to choose from, while a rollback waits for the choice.
  std::optional<std::vector<CheckpointRecord>> CheckpointsToVerify() const;
  // Does nothing if no rollback waits (any more).
  void EndRollback(const CheckpointChoice& choice);

  // --- Groups and weights
  // A group for this process.  Errors as of StageRun::Deliver; DATA_LOSS fails
  // the job.
  absl::Status Deliver(const v1::ScoredGroup& group);
  absl::Status AdmitVersion(WeightsId id) const;
  absl::Status VersionArrived(WeightsId id);

  // --- Time
  // Saves what the stage has.  To be called a few times a second.
  void SaveStage();
  // What the job cannot continue without.
  std::vector<Wait> Missing(const Membership& members) const;
  // Fails the job if it has waited too long.  To be called a few times a
  // second, also when it has ended.
  void CheckWaits(const Membership& members);

 private:
  JobRun(const JobRunOptions& options, JobParts parts, History history,
         std::map<uint32_t, double> stage_seconds);

  absl::Status Begin();
  void StayStopped();
  absl::Status Restart();  // From STOPPED, in the process that stopped.
  void SetState(v1::JobState state);
  void End(v1::JobState state);
  void WriteSummary();
  // Passes on what the store said.  A store that takes nothing (a full disk) is
  // waited for: callers try again, and nothing is recorded meanwhile.
  absl::Status Stored(absl::Status status);

  // Enters the stage at the position of the history; ends the job after the
  // last one.
  void EnterStage();
  void LeaveStage();
  void Advance();
  // Records the result of a stage that is complete, and advances.
  void FinishStage();
  absl::Status ReturnTo(const CheckpointChoice& choice);

  // A stage whose steps are done, or a job that stops, is left when rank 0 asks
  // for the next stage.  False: other ranks wait for that.
  bool LeaveDoneStage(uint32_t rank);
  void RollBack(const std::string& why);
  void FailRankSet();

  const JobRunOptions options_;
  const JobParts parts_;
  v1::JobState state_ = v1::JOB_STATE_PENDING;
  std::string failure_;
  History history_;
  RankSet ranks_;
  WaitMonitor waits_;
  RunRecorder recorder_;
  std::unique_ptr<StageRun> run_;
  uint64_t next_lease_id_ = 1;
};

}  // namespace aha::coordinator
