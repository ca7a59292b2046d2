// The job's authority: who belongs to it, where it stands, and what may happen
// next.  Everything that the services answer is decided here.
//
//   PENDING --all learners are there--> RUNNING <--> PAUSED
//   RUNNING, PAUSED --Stop--> STOPPING --checkpoint--> STOPPED
//   RUNNING --last stage done--> SUCCEEDED;  anything --problem--> FAILED
//   STOPPED --Resume, if it lingers--> PENDING
//
// A stage begins when rank 0 publishes the weights that it starts with.  sft
// and grpo stages then go step by step: BeginStep, (groups), Publish,
// CommitStep.  An eval stage needs no learner after that: its groups come back
// to this process (Deliver).  A learner that is lost, or asks for a stage in
// the middle of it, sends the whole group back to the latest checkpoint; what
// is computed again must come out as before (History).  Which checkpoint that
// is takes time (all of it is hashed), so Recover does it without the lock, and
// nobody is told of a stage meanwhile.  A group that breaks again and again
// without a new step fails the job.
//
// Try... functions never wait: false means "not yet", and the caller asks again
// when `changed` was called.  Thread-safe.  No gRPC here; time, prompts and
// storage come in through Parts.
#pragma once

#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <set>
#include <string>
#include <utility>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/time/time.h"
#include "aha/v1/admin.pb.h"
#include "aha/v1/coordinator.pb.h"
#include "base/clock.h"
#include "base/mutex.h"
#include "coordinator/eval_board.h"
#include "coordinator/history.h"
#include "coordinator/ledger.h"
#include "coordinator/membership.h"
#include "coordinator/plan.h"
#include "coordinator/run_directory.h"
#include "coordinator/series.h"
#include "coordinator/weights_store.h"

namespace aha::coordinator {

struct SlotPrompt {
  std::string id, prompt, reference;
  std::map<std::string, std::string> fields = {};
};
using PromptFunction =
    std::function<SlotPrompt(uint32_t stage, uint64_t step, uint32_t slot)>;

// Nothing is owned; all must outlive the controller.
struct Parts {
  const JobPlan* plan = nullptr;
  RunDirectory* directory = nullptr;
  StateStore* store = nullptr;
  WeightsStore* weights = nullptr;
  PromptFunction prompts;
  Clock clock;       // Monotonic, for every deadline.
  Clock wall_clock;  // For people.
  Series series;
};

struct ControllerOptions {
  uint64_t epoch = 1;
  absl::Duration heartbeat = absl::Seconds(1);
  // Learner groups that broke without a new step between; then the job fails.
  int most_broken_groups = 5;
  // Leases of one group that came to nothing; then the job fails.
  int most_lost_leases = 20;
  // Another job follows: who registers when this one is over waits for that.
  bool standing = false;
  // The process stays when the job is over, and whatever ends is started again.
  // A job that somebody stopped then stays stopped, also in the process that
  // follows, until somebody resumes it.
  bool lingers = false;
};

class Controller {
 public:
  // Goes on from the newest checkpoint that verifies, if there is one.
  static absl::StatusOr<std::unique_ptr<Controller>> New(
      ControllerOptions options, Parts parts);

  const v1::Job& job() const { return parts_.plan->job; }  // Never changes.

  // Where eval groups are delivered: this process.
  void SetAddress(const std::string& address);
  // Called after every change, without a lock held; must not block.
  void SetListener(std::function<void()> changed);
  // To be called a few times a second: silence, expiry, waits that last.
  void Tick();
  // Ends a rollback that has begun: finds the checkpoint.  To be called often
  // too, by one thread that may be busy with it for long.
  void Recover();

  // Members.
  absl::StatusOr<v1::RegisterResponse> Register(
      const v1::RegisterRequest& request);
  absl::StatusOr<v1::HeartbeatResponse> Heartbeat(
      const v1::HeartbeatRequest& request);
  // A stream that lives as long as the member: its number.
  absl::StatusOr<uint64_t> Attend(const v1::AttendRequest& request);
  // That stream broke, which the coordinator did not want.
  void Gone(uint64_t member_id, uint64_t attendance);
  absl::Status Leave(const v1::LeaveRequest& request);
  absl::Status ReportProblem(const v1::ReportProblemRequest& request);

  // Actors.
  absl::StatusOr<bool> TryLease(const v1::LeaseGroupsRequest& request,
                                v1::LeaseGroupsResponse* response);
  absl::Status CompleteLease(const v1::CompleteLeaseRequest& request);
  // Eval groups, from the reward service.
  absl::Status Deliver(const v1::ScoredGroup& group);

  // Learners.
  absl::StatusOr<bool> TryNextStage(const v1::NextStageRequest& request,
                                    v1::NextStageResponse* response);
  absl::StatusOr<bool> TryBeginStep(const v1::BeginStepRequest& request,
                                    v1::BeginStepResponse* response);
  absl::Status CommitStep(const v1::CommitStepRequest& request);
  absl::Status CommitCheckpoint(const v1::CommitCheckpointRequest& request);

  // Weights: an actor got a piece of them; may this version come in now; it has
  // come in, whole.
  void PieceSent();
  absl::Status AdmitVersion(VersionId id, uint64_t member_id, uint64_t epoch);
  absl::Status VersionArrived(VersionId id);

  // Admin.
  v1::JobStatus Status();
  std::vector<v1::Member> Members();
  absl::Status Pause();
  absl::Status Resume();
  // `why`, if not empty, is shown as the reason of the end; it was not the
  // job's owner then, and who starts again goes on.
  absl::Status Stop(const std::string& why = "");
  absl::Status Drain(const std::string& name);

  bool Ended();
  bool HasMembers();
  uint64_t epoch() const { return options_.epoch; }
  const Series& series() const { return parts_.series; }

 private:
  // The state is durable and shown; see the diagram above.
  using State = v1::JobState;

  // Calls the listener when it goes out of scope: declare before the lock.
  class Change;

  Controller(ControllerOptions options, Parts parts, History history);

  // --- controller.cc: stages and the state machine
  absl::Status Begin() ABSL_LOCKS_EXCLUDED(mutex_);
  absl::Status StayStopped() ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);
  // From STOPPED, in this process.
  absl::Status GoOn() ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);
  bool over() const ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);
  const StagePlan& plan() const ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);
  // Sets up what the history's position needs; ends the job after its last.
  void EnterStage() ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);
  void LeaveStage() ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);
  void Advance() ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);
  absl::Status ReturnTo(const CheckpointChoice& choice)
      ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);
  void Fail(const std::string& problem) ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);
  void SetState(State state) ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);
  void End(State state) ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);
  void WriteSummary() ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);
  // Makes metrics.jsonl hold what is committed up to the position.
  void WriteMetrics() ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);
  double StageSeconds(uint32_t stage) const
      ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);
  void Note(const std::string& event, const std::string& text)
      ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);

  // --- controller_members.cc
  // Every member of a run that has results must compute the same bits as those
  // that made them, also after a resume elsewhere.
  absl::Status LoadCertificate() ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);
  void StoreCertificate() ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);
  void Lost(const MemberInfo& member, const std::string& how)
      ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);
  // What a member that is no more had begun goes to others.
  void TakeOver(const MemberInfo& member, const std::string& how)
      ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);
  v1::Directive DirectiveFor(const MemberInfo& member) const
      ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);
  void FillLease(const LeasedGroup& group, const std::string& consumer,
                 v1::Lease* lease) ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);
  // The result of an eval stage that is complete, and on to the next stage.
  void RecordEval() ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);
  std::string ConsumerOf(uint32_t slot) const
      ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);

  // --- controller_waits.cc
  // Passes on what the store said.  A store that takes nothing (full disk) is
  // waited for; callers try again, and nothing is recorded meanwhile.
  absl::Status Stored(absl::Status status)
      ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);
  // What the job cannot go on without, right now: key of Series::waits, text.
  std::vector<std::pair<std::string, std::string>> Missing() const
      ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);
  void CheckWaits(absl::Time now) ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);
  // The groups of an eval stage are waited for here, as those of a step are by
  // the learners: as long as anything moves.
  void CheckEvalGroups(absl::Time now, bool others_missing)
      ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);
  std::string UnscoredGroups() const ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);
  void UpdateGauges() ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);
  void ShowProgress() ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);

  // --- controller_learners.cc
  // Begins a rollback: the group is no more; Recover does the rest.
  void RollBack(const std::string& why) ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);
  // Counts a broken group; one too many fails the job.
  void GroupBroke(const std::string& why) ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);
  absl::StatusOr<const MemberInfo*> TouchLearner(uint64_t id, uint64_t epoch)
      ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);
  std::string MissingLearners() const ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);
  void NewGroup() ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);
  // Whether the rank was told of the running group and stage.  One that was
  // not works on what a rollback has made void.
  bool InGroup(uint32_t rank) const ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);
  void FillStage(uint32_t rank, v1::NextStageResponse* response)
      ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);

  // --- controller_commits.cc
  absl::Status TouchRankZero(uint64_t id, uint64_t epoch)
      ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);
  absl::StatusOr<CommitRecord> CheckCommit(const v1::CommitStepRequest& request)
      ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);
  void AfterCommit(const CommitRecord& commit,
                   const v1::CommitStepRequest& request)
      ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);
  void MakeVisible(uint64_t version) ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);

  const ControllerOptions options_;
  const Parts parts_;

  Mutex mutex_;
  std::function<void()> listener_ ABSL_GUARDED_BY(mutex_);
  std::string address_ ABSL_GUARDED_BY(mutex_);
  State state_ ABSL_GUARDED_BY(mutex_) = v1::JOB_STATE_PENDING;
  std::string problem_ ABSL_GUARDED_BY(mutex_);
  Membership members_ ABSL_GUARDED_BY(mutex_);
  History history_ ABSL_GUARDED_BY(mutex_);

  // The running stage.
  std::optional<Ledger> ledger_ ABSL_GUARDED_BY(mutex_);    // grpo and eval.
  std::optional<EvalBoard> board_ ABSL_GUARDED_BY(mutex_);  // eval.
  uint64_t first_step_ ABSL_GUARDED_BY(mutex_) = 0;
  bool start_visible_ ABSL_GUARDED_BY(mutex_) = false;  // Its first weights.
  // The latest step of the stage whose beginning was allowed; sticky, so that
  // all ranks agree.
  std::optional<uint64_t> begun_ ABSL_GUARDED_BY(mutex_);
  uint64_t next_lease_id_ ABSL_GUARDED_BY(mutex_) = 1;
  // Grows while actors and reward replicas get on: what they sampled, scored or
  // delivered, and the weights that they were sent.
  uint64_t progress_ ABSL_GUARDED_BY(mutex_) = 0;
  // An eval stage that samples: progress_, and since when it is that.
  std::optional<std::pair<uint64_t, absl::Time>> unmoved_
      ABSL_GUARDED_BY(mutex_);

  // The learner group.
  // Why it goes back to a checkpoint, while that is looked for.
  std::optional<std::string> going_back_ ABSL_GUARDED_BY(mutex_);
  int broken_groups_ ABSL_GUARDED_BY(mutex_) = 0;  // Since the last new step.
  // What a learner reported last, to be told with a failure.
  std::string learner_report_ ABSL_GUARDED_BY(mutex_);
  uint64_t group_epoch_ ABSL_GUARDED_BY(mutex_) = 1;
  // A learner was lost, and with it what no checkpoint holds, perhaps.
  bool memory_lost_ ABSL_GUARDED_BY(mutex_) = false;
  // Ranks that asked for a stage since the group or the stage changed.  A group
  // is put together when all have: one that is dead, or still busy with the
  // old group, would only be waited for at the rendezvous.
  std::set<uint32_t> asking_ ABSL_GUARDED_BY(mutex_);
  // What each rank was told last: (group epoch, stage).
  std::map<uint32_t, std::pair<uint64_t, uint32_t>> told_
      ABSL_GUARDED_BY(mutex_);

  // What the store said when it took nothing; "" once it does again.
  std::string disk_problem_ ABSL_GUARDED_BY(mutex_);
  // metrics.jsonl lacks a line that could not be written.
  bool metrics_lack_ ABSL_GUARDED_BY(mutex_) = false;

  // Times.
  const absl::Time started_;
  const absl::Time started_wall_;
  absl::Time stage_since_ ABSL_GUARDED_BY(mutex_);  // While a stage runs.
  bool stage_runs_ ABSL_GUARDED_BY(mutex_) = false;
  std::map<uint32_t, double> stage_seconds_ ABSL_GUARDED_BY(mutex_);
  std::map<std::string, absl::Time> missing_since_ ABSL_GUARDED_BY(mutex_);
  absl::Time last_tick_ ABSL_GUARDED_BY(mutex_);
  double train_tokens_ ABSL_GUARDED_BY(mutex_) = 0;  // In this attempt.
  double train_seconds_ ABSL_GUARDED_BY(mutex_) = 0;
  std::optional<double> last_num_tokens_ ABSL_GUARDED_BY(mutex_);
};

const char* StateName(v1::JobState state);  // "running"

}  // namespace aha::coordinator
