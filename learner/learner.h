// A learner rank's life: ask for a stage, train its steps, commit, checkpoint,
// until the job is over.
//
// Rank 0 speaks for the group: it alone begins and commits steps, publishes
// and writes checkpoints; what it was told goes to the others through the
// communicator, so that all ranks take the same turn.  Every other rank holds
// the same bits.
//
// The state stays in memory from stage to stage.  If the coordinator's idea of
// where the job stands (its chain) is another one, the state is loaded from
// the checkpoint that it names.
//
// Run is called once, by one thread; Stop and Interrupt by any.
#pragma once

#include <atomic>
#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "aha/v1/job.pb.h"
#include "base/clock.h"
#include "base/mutex.h"
#include "base/thread_pool.h"
#include "comm/communicator.h"
#include "job/model_setup.h"
#include "learner/checkpoint.h"
#include "learner/cluster.h"
#include "learner/group_buffer.h"
#include "learner/model_state.h"
#include "learner/stage.h"
#include "learner/step_result.h"

namespace aha::learner {

// Makes the group of ranks that the coordinator put together.
using Connect =
    std::function<absl::StatusOr<std::unique_ptr<comm::Communicator>>(
        const v1::NextStageResponse& next)>;

// Where figures go (Prometheus in the service); any may be empty.
struct LearnerGauges {
  std::function<void(const StepResult& step)> step_done;
  std::function<void(uint64_t version)> version;
  // `what`: "next_stage", "begin_step", "groups".
  std::function<void(const std::string& what, absl::Duration waited)> waited;
  std::function<void(absl::Duration spent)> collectives;
  std::function<void(bool ok)> checkpoint;
};

struct LearnerOptions {
  uint32_t rank = 0;
  v1::Job job;  // Resolved.
  std::string run_directory;
  Clock clock;
  // After Stop, of a call that waits for another rank.
  absl::Duration stop_patience = absl::Seconds(5);
};

// Nothing is owned.
struct LearnerParts {
  const ModelSetup* setup;
  ThreadPool* pool;
  Cluster* cluster;
  GroupBuffer* buffer;
  Connect connect;
  LearnerGauges gauges = {};
};

class Learner {
 public:
  Learner(LearnerOptions options, LearnerParts parts);
  ~Learner();

  // OK when the job is over or after Stop.
  absl::Status Run();

  // Leave at the next step boundary; at once, if it waits for the coordinator,
  // and after stop_patience, if it waits for another rank (found out by
  // OnLivingLearners).  Rank 0 then writes a checkpoint of what is new.  The
  // caller cancels the Cluster's calls.
  void Stop();
  // This process joined the cluster anew: whatever it waits for is void.
  void Interrupt();
  // Addresses of the learners that the coordinator takes for living, by rank;
  // told again and again.  A rank of this group that is twice not among them
  // was lost: what this rank waits for is void.  (Once may be older news than
  // the group.)
  void OnLivingLearners(const std::map<uint32_t, std::string>& living);

 private:
  absl::StatusOr<v1::NextStageResponse> AwaitStage();
  absl::Status RunStage(const v1::NextStageResponse& next);
  absl::Status JoinGroup(const v1::NextStageResponse& next);
  absl::Status BringState(const v1::NextStageResponse& next);
  absl::Status LoadState(const v1::NextStageResponse& next,
                         const Hash128& chain);
  bool StateFits(const v1::NextStageResponse& next, const Hash128& chain) const;
  absl::Status PublishStart(const Stage& stage, uint64_t first_step);
  absl::Status RunSteps(Stage& stage, uint64_t first_step);
  absl::StatusOr<v1::BeginStepResponse::Go> AgreeOnStep(uint32_t stage,
                                                        uint64_t step);
  absl::Status DoStep(Stage& stage, uint64_t step);
  absl::Status CheckExactness(const StepResult& result);
  absl::Status Commit(const Stage& stage, uint64_t step, absl::Time start,
                      StepResult& result);
  void WriteRollouts(const Stage& stage, uint64_t step,
                     const std::string& lines);
  void SaveCheckpoint();
  // Whether to go on with NextStage after a stage ended with `status`.
  bool MayGoOn(const absl::Status& status);
  void LeaveGroup();
  // Runs `body` while people are told that this process waits for `shown`.
  template <class Body>
  auto Waiting(const std::string& what, const std::string& shown, Body&& body);

  const LearnerOptions options_;
  const ModelSetup& setup_;
  ThreadPool& pool_;
  Cluster& cluster_;
  GroupBuffer& buffer_;
  const Connect connect_;
  const LearnerGauges gauges_;

  // Where the group came from: coordinator epoch and group epoch.
  using GroupName = std::pair<uint64_t, uint64_t>;
  std::unique_ptr<comm::Communicator> comm_;
  std::optional<GroupName> group_;
  std::optional<GroupName> broken_group_;

  std::unique_ptr<ModelState> state_;
  std::optional<Position> position_;    // None: the state is not set.
  std::optional<Position> saved_;       // Of the latest checkpoint.
  std::optional<GroupName> evaluated_;  // Epoch and stage, published already.

  std::atomic<bool> stopping_{false};
  Mutex mutex_;
  std::vector<std::string> group_addresses_
      ABSL_GUARDED_BY(mutex_);  // By rank.
  int times_missing_ ABSL_GUARDED_BY(mutex_) = 0;
  absl::Time stopped_at_ ABSL_GUARDED_BY(mutex_) = absl::InfiniteFuture();
  // comm_, for other threads.
  comm::Communicator* joined_ ABSL_GUARDED_BY(mutex_) = nullptr;
  // This rank waits for rank 0's word and may be woken.
  bool idle_ ABSL_GUARDED_BY(mutex_) = false;
};

}  // namespace aha::learner
