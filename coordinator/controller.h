// The authority over one job: which members belong to it, and what each of them
// may do next.  Everything that the services of the coordinator answer is
// decided here.
//
// The Controller holds the only lock and passes each call to the class that
// decides it:
//
//   Membership      which processes live, and with which certificates
//   JobRun          the state of the job and its way from stage to stage
//     RankSet       the learner ranks as one set: assignments, breaks
//     StageRun      the stage that runs: weights, groups, steps, result
//     History       what was committed, and the position of the job
//     WaitMonitor   what is missing, since when, and when that is too long
//     RunRecorder   events, metrics, times, summary
//
// A job, as its members see it:
//
//   1. Members register; the job runs when all learner ranks are certified.
//   2. The ranks ask for a stage (TryNextStage); rank 0 publishes the weights
//      that it begins with (AdmitVersion, VersionArrived).
//   3. Actors lease groups (TryLease) and complete them (CompleteLease).
//   4. In a stage that trains, the ranks begin a step (TryBeginStep), rank 0
//      publishes and commits it (CommitStep), and writes checkpoints now and
//      then (CommitCheckpoint).  In another stage scored groups come back to
//      this process (Deliver) until the result is whole.
//   5. A learner that is lost, or asks for its stage in the middle of it, sends
//      the whole rank set back to the newest checkpoint.  To find it, all of it
//      is hashed, which takes time: Recover does so without the lock, and no
//      stage is assigned meanwhile.  What is computed again must come out as
//      before.
//
// Usage:
//
//   auto controller = Controller::New(options, std::move(parts));
//   (*controller)->SetListener([&] { poller.Kick(); });
//   while (serving) { (*controller)->Tick(); (*controller)->Recover(); ... }
//
// Functions named Try... never wait: false means "not yet", and the caller asks
// again after the listener was called.  Thread-safe.  It knows no gRPC; time,
// prompts and storage come in through Parts.
#pragma once

#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/time/time.h"
#include "aha/v1/admin.pb.h"
#include "aha/v1/coordinator.pb.h"
#include "base/clock.h"
#include "base/mutex.h"
#include "coordinator/job_run.h"
#include "coordinator/membership.h"
#include "coordinator/series.h"
#include "coordinator/weights_store.h"
#include "data/prompt_mapping.h"
#include "job/plan.h"
#include "run/summary.h"
#include "run/writer.h"

namespace aha::coordinator {

struct SlotPrompt {
  std::string id, prompt, reference;
  std::map<std::string, std::string> fields = {};
  std::vector<Turn> turns = {};  // Empty unless it is a conversation.
};
using PromptFunction =
    std::function<SlotPrompt(uint32_t stage, uint64_t step, uint32_t slot)>;

// Nothing is owned; all must outlive the controller.
struct Parts {
  const JobPlan* plan = nullptr;
  run::RunWriter* directory = nullptr;
  StateStore* store = nullptr;
  WeightsStore* weights = nullptr;
  PromptFunction prompts;
  std::vector<run::DataSummary> data;  // A summary of each prompt file.
  Clock clock;                         // Monotonic, for every deadline.
  Clock wall_clock;                    // For people.
  Series series;
};

struct ControllerOptions {
  JobRunOptions job;
  absl::Duration heartbeat = absl::Seconds(1);
  // Leases of one group, all but the last of them lost; one more fails the job.
  int max_leases_of_group = 20;
  // Another job follows: a process that registers when this one has ended is
  // asked to wait for it.
  bool standing = false;
  // See MembershipOptions.  A process that serves one job after another gives
  // each another range, so that a member of an earlier job is not taken for one
  // of this job.
  uint64_t first_member_id = 1;
};

class Controller {
 public:
  // Continues from the newest checkpoint that verifies, if there is one.
  static absl::StatusOr<std::unique_ptr<Controller>> New(
      ControllerOptions options, Parts parts);

  const v1::Job& job() const { return parts_.plan->job; }  // Never changes.

  // Where groups are delivered that this process collects: its own address.
  void SetAddress(const std::string& address);
  // Called after every change, without a lock held; must not block.
  void SetListener(std::function<void()> changed);
  // Handles what depends on time alone: members that sent nothing for too long,
  // leases that expired, waits that exceed their limit.  To be called a few
  // times a second.
  void Tick();
  // Ends a rollback that has begun: finds the checkpoint, which may take long.
  // To be called often, by one thread of its own.
  void Recover();

  // --- Members
  absl::StatusOr<v1::RegisterResponse> Register(
      const v1::RegisterRequest& request);
  absl::StatusOr<v1::HeartbeatResponse> Heartbeat(
      const v1::HeartbeatRequest& request);
  // The member opened a stream that lives as long as its process: its number.
  absl::StatusOr<uint64_t> Attend(const v1::AttendRequest& request);
  // That stream broke, and not because the coordinator ended it.
  void Gone(uint64_t member_id, uint64_t attendance);
  absl::Status Leave(const v1::LeaveRequest& request);
  absl::Status ReportProblem(const v1::ReportProblemRequest& request);

  // --- Actors, and the reward service for them
  absl::StatusOr<bool> TryLease(const v1::LeaseGroupsRequest& request,
                                v1::LeaseGroupsResponse* response);
  absl::Status CompleteLease(const v1::CompleteLeaseRequest& request);
  absl::Status Deliver(const v1::ScoredGroup& group);

  // --- Learners
  absl::StatusOr<bool> TryNextStage(const v1::NextStageRequest& request,
                                    v1::NextStageResponse* response);
  absl::StatusOr<bool> TryBeginStep(const v1::BeginStepRequest& request,
                                    v1::BeginStepResponse* response);
  absl::Status CommitStep(const v1::CommitStepRequest& request);
  absl::Status CommitCheckpoint(const v1::CommitCheckpointRequest& request);

  // --- Weights
  // A member received a piece of a version.
  void PieceSent();
  // Whether the member may publish this version now.
  absl::Status AdmitVersion(WeightsId id, uint64_t member_id, uint64_t epoch);
  // The version is in the store, whole.
  absl::Status VersionArrived(WeightsId id);

  // --- Administrators
  v1::JobStatus Status();
  std::vector<v1::Member> Members();
  absl::Status Pause();
  absl::Status Resume();
  // See JobRun::Stop.
  absl::Status Stop(const std::string& why = "");
  absl::Status Drain(const std::string& name);

  run::JobState State();
  bool Ended();
  bool HasMembers();
  uint64_t epoch() const { return options_.job.epoch; }
  const Series& series() const { return parts_.series; }

 private:
  // Calls the listener when it goes out of scope: declare it before the lock.
  class Change;

  Controller(ControllerOptions options, Parts parts,
             std::unique_ptr<JobRun> job);

  // --- Members
  bool LearnersAreThere() const ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_) {
    return members_.MissingLearners().empty();
  }
  // A job that has come to run requires the certificate of rank 0 from every
  // other member, also after a resume.
  void KeepCertificate() ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);
  // Makes the files of this member, too, files of the run.
  void KeepInputs(const v1::Certificate& certificate)
      ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);
  void Lost(const MemberInfo& member, const std::string& how)
      ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);
  // What a member that is gone had begun is given to others.
  void TakeOver(const MemberInfo& member, const std::string& how)
      ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);
  absl::StatusOr<const MemberInfo*> TouchLearner(uint64_t id, uint64_t epoch)
      ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);
  absl::Status TouchRankZero(uint64_t id, uint64_t epoch)
      ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);
  v1::Directive DirectiveFor(const MemberInfo& member) const
      ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);

  // --- Answers
  // The last step whose groups may be leased in this state, if any may.
  // REQUIRES: a stage runs.
  std::optional<uint64_t> LastStepToLease() const
      ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);
  // REQUIRES: a reward replica is there, and the consumers of the groups are.
  void FillLease(const LeasedGroup& group, v1::Lease* lease)
      ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);
  // REQUIRES: all learners are there.
  void FillStage(v1::NextStageResponse* response)
      ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);
  void UpdateGauges() ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);

  const ControllerOptions options_;
  const Parts parts_;

  Mutex mutex_;
  std::function<void()> listener_ ABSL_GUARDED_BY(mutex_);
  // Where the groups that this process collects are delivered.
  std::string address_ ABSL_GUARDED_BY(mutex_);
  Membership members_ ABSL_GUARDED_BY(mutex_);
  const std::unique_ptr<JobRun> job_ ABSL_PT_GUARDED_BY(mutex_);
};

}  // namespace aha::coordinator
