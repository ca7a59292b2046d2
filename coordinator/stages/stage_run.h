// A stage while it runs: its weights, its groups, its steps and its end.  One
// interface for all kinds of stages, so that the Controller asks none of them
// what kind it is.
//
// What happens to a stage, in this order:
//
//   1. The Controller enters the stage (BeginStage).
//   2. Rank 0 publishes the weights that the stage begins with (AdmitVersion,
//      VersionArrived).  From then on it has started(): groups can be leased.
//   3. Actors lease groups (Lease).  They are scored, and go to the learners or
//      to this process (Deliver), as the trait `consumer` of the plan says.
//   4. A stage that trains goes step by step: BeginStep, then CheckCommit
//      before the step is recorded in History and Commit after it.
//   5. Another kind of stage collects groups until it IsComplete, saves what it
//      has now and then (Save), and records its result (RecordEnd).
//
// A run is dropped when the stage ends or the job goes back to a checkpoint;
// the next one begins at the position of History then.
//
// Thread-compatible: callers lock.  Time comes from the clock.
#pragma once

#include <cstdint>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "aha/v1/rollout.pb.h"
#include "base/clock.h"
#include "coordinator/history.h"
#include "coordinator/ledger.h"
#include "coordinator/run_recorder.h"
#include "coordinator/weights_store.h"
#include "job/plan.h"

namespace aha::coordinator {

// Nothing is owned; all must outlive the run.
struct StageParts {
  const JobPlan* plan = nullptr;
  History* history = nullptr;  // Stands at the stage that begins.
  WeightsStore* weights = nullptr;
  RunRecorder* recorder = nullptr;
  std::string run_directory = {};
  Clock clock;  // Monotonic.
  // Lease ids are never used again, not even by the stage that follows.
  uint64_t first_lease_id = 1;
};

class StageRun {
 public:
  virtual ~StageRun() = default;
  StageRun(const StageRun&) = delete;
  StageRun& operator=(const StageRun&) = delete;

  uint32_t stage() const { return stage_; }
  uint64_t first_step() const { return first_step_; }
  const StagePlan& plan() const { return plan_; }
  std::string Name() const;  // "stage 1 (after)"

  // --- Weights
  // FAILED_PRECONDITION: this version cannot come now.
  absl::Status AdmitVersion(uint64_t version) const;
  // The version is whole in the store.  One that the stage begins with becomes
  // visible; others wait for their commit.  DATA_LOSS: it was committed before
  // with other weights.
  absl::Status VersionArrived(uint64_t version);
  // Whether the weights that the stage begins with are visible.
  bool started() const { return started_; }
  // Whether the stage cannot go on without this rank of the learners.
  bool NeedsRank(uint32_t rank) const {
    return plan_.trains() || (!started_ && rank == 0);
  }

  // --- Groups
  // Null if the stage samples nothing.
  Ledger* ledger() { return ledger_.has_value() ? &*ledger_ : nullptr; }
  const Ledger* ledger() const {
    return ledger_.has_value() ? &*ledger_ : nullptr;
  }
  bool collects_groups() const {
    return plan_.traits.consumer == GroupConsumer::kCoordinator;
  }
  // The next group for `member`, of a step up to `last_step`, if there is one.
  // REQUIRES: ledger() is not null.
  virtual std::optional<LeasedGroup> Lease(uint64_t member, uint64_t last_step);
  // A scored group for this process.  False: it was delivered before.
  // INVALID_ARGUMENT: malformed, or not of this stage.  DATA_LOSS: differs from
  // an earlier delivery.  FAILED_PRECONDITION: the stage collects no groups.
  virtual absl::StatusOr<bool> Deliver(const v1::ScoredGroup& group);

  // --- Steps of a stage that trains
  // The step that the learners were last allowed to begin, if any.  It stays,
  // so that all ranks get the same answer.
  const std::optional<uint64_t>& begun_step() const { return begun_step_; }
  bool step_in_progress() const;
  void BeginStep(uint64_t step) { begun_step_ = step; }
  // Whether the next step may be committed like this.
  virtual absl::Status CheckCommit(const CommitRecord& commit) const;
  // The step was recorded in History.
  virtual void Commit(const CommitRecord& commit);
  // All steps are committed; only the last checkpoint may be missing.
  virtual bool AllStepsCommitted() const { return false; }

  // --- The end of a stage that does not train
  virtual bool IsComplete() const { return false; }
  // Saves what it has, so that a later run need not do it again.  To be called
  // when WantsSave says so.  UNAVAILABLE: the disk takes nothing now.
  virtual bool WantsSave() const { return false; }
  virtual absl::Status Save() { return absl::OkStatus(); }
  // Records the result.  REQUIRES: IsComplete().  UNAVAILABLE as Save.
  virtual absl::Status RecordEnd() { return absl::OkStatus(); }

  // --- What people see
  // How much is done, counted as StagePlan::units().
  virtual uint64_t UnitsDone() const = 0;
  // Figures of the stage so far, by the names of StageStatus.metrics.
  virtual std::map<std::string, double> Figures() const { return {}; }

 protected:
  explicit StageRun(const StageParts& parts);
  const StageParts& parts() const { return parts_; }
  History& history() const { return *parts_.history; }
  // The newest version that rank 0 may publish now.
  virtual uint64_t NewestVersion() const { return 0; }
  void MakeVisible(uint64_t version);
  double Seconds() const { return parts_.recorder->StageSeconds(stage_); }

 private:
  const StageParts parts_;
  const uint32_t stage_;
  const uint64_t first_step_;
  const StagePlan& plan_;
  std::optional<Ledger> ledger_;
  bool started_ = false;
  std::optional<uint64_t> begun_step_;
};

// Begins the run of the stage at which `parts.history` stands.  The kind of
// the stage is looked up in a table, the only place that lists the kinds.
// INTERNAL: the table lacks it.  REQUIRES: the position is before the end of
// the job.
absl::StatusOr<std::unique_ptr<StageRun>> BeginStage(const StageParts& parts);
// The names in that table, as StagePlan::kind has them.
std::vector<absl::string_view> StageKindNames();

}  // namespace aha::coordinator
