// A coordinator and its actors in one object, for tests of the learner's loop:
// it keeps the job's position, samples groups with the weights that were
// published, and can be ordered to stop, go back or withhold groups.
//
// Thread-safe: several ranks' loops call it.
#pragma once

#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "base/mutex.h"
#include "job/plan.h"
#include "learner/checkpoint.h"
#include "learner/cluster.h"
#include "learner/group_buffer.h"
#include "tests/learner/fixture.h"

namespace aha::learner {

class FakeCluster {
 public:
  using StepKey = std::pair<uint32_t, uint64_t>;  // Stage, step.

  FakeCluster(v1::Job job, const ModelSetup* setup, int ranks);
  ~FakeCluster();

  // What rank `rank` calls; valid as long as this.
  Cluster& ForRank(int rank);
  GroupBuffer& buffer(int rank) { return *buffers_[rank]; }

  // Knobs; set before the loops run.
  std::optional<StepKey> stop_at;      // BeginStep says STOP_AFTER_CHECKPOINT.
  std::optional<StepKey> lose_commit;  // That commit is lost, once.
  std::function<void(v1::ScoredGroup&)> tamper;
  bool withhold_groups = false;

  // What happened.
  Hash128 chain() const ABSL_LOCKS_EXCLUDED(mutex_);
  std::vector<StepKey> commits() const ABSL_LOCKS_EXCLUDED(mutex_);
  std::vector<std::string> checkpoints() const ABSL_LOCKS_EXCLUDED(mutex_);
  std::vector<StepKey> published() const ABSL_LOCKS_EXCLUDED(mutex_);
  // "fatal: ..." or "note: ...".
  std::vector<std::string> reports() const ABSL_LOCKS_EXCLUDED(mutex_);
  bool finished() const ABSL_LOCKS_EXCLUDED(mutex_);
  // After a stop: continues as a coordinator that starts again, with another
  // number of ranks unless that is 0.
  void Continue(int ranks = 0);

 private:
  class RankView;
  struct Sampler;

  bool Trains(uint32_t stage) const;
  absl::StatusOr<v1::NextStageResponse> NextStage(int rank);
  absl::StatusOr<v1::BeginStepResponse::Go> BeginStep(StepKey key);
  absl::Status CommitStep(const v1::CommitStepRequest& request);
  absl::Status CommitCheckpoint(const v1::CommitCheckpointRequest& request);
  absl::Status Publish(StepKey version, const Parameters& weights,
                       const Hash128& checksum);
  void MakeRanks(int ranks);
  void GoBack() ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);
  bool DeliverGroups(uint64_t step) ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);

  const v1::Job job_;
  const JobPlan plan_;
  const ModelSetup& setup_;
  std::vector<std::unique_ptr<GroupBuffer>> buffers_;
  std::vector<std::unique_ptr<RankView>> views_;

  mutable Mutex mutex_;
  TrainingPosition position_ ABSL_GUARDED_BY(mutex_);
  bool stopped_ ABSL_GUARDED_BY(mutex_) = false;
  uint64_t group_epoch_ ABSL_GUARDED_BY(mutex_) = 1;
  std::map<int, std::optional<StepKey>> told_ ABSL_GUARDED_BY(mutex_);
  std::optional<v1::CommitCheckpointRequest> checkpoint_
      ABSL_GUARDED_BY(mutex_);
  std::map<StepKey, std::unique_ptr<Sampler>> samplers_ ABSL_GUARDED_BY(mutex_);
  std::vector<StepKey> commits_ ABSL_GUARDED_BY(mutex_);
  std::vector<std::string> checkpoints_ ABSL_GUARDED_BY(mutex_);
  std::vector<StepKey> published_ ABSL_GUARDED_BY(mutex_);
  std::vector<std::string> reports_ ABSL_GUARDED_BY(mutex_);
};

}  // namespace aha::learner
