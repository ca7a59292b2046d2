// The main loop of a learner rank: ask for a stage, train its steps, commit,
// checkpoint, until the job is over.
//
// Rank 0 speaks for the rank set: it alone begins and commits steps, publishes
// weights and completes checkpoints.  What the coordinator answered goes to the
// other ranks through the communicator, so that all ranks take the same turn.
// Every rank holds the same weights; each holds its shard of the optimizer's
// state (model_state.h) and writes it to the checkpoints.
//
// The state stays in memory from stage to stage.  If the coordinator's position
// of the job (its chain) or the number of ranks is another one, the state is
// loaded from the checkpoint that the coordinator names.
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

// Connects the rank set that the coordinator formed.
using Connect =
    std::function<absl::StatusOr<std::unique_ptr<comm::Communicator>>(
        const v1::NextStageResponse& next)>;

// Receives the learner's measurements (the service exports them to Prometheus).
// Any may be empty.
struct LearnerGauges {
  std::function<void(const StepResult& step)> step_done;
  std::function<void(uint64_t version)> version;
  // `what`: "next_stage", "rendezvous", "begin_step", "groups".
  std::function<void(const std::string& what, absl::Duration waited)> waited;
  std::function<void(absl::Duration spent)> collectives;
  std::function<void(bool ok)> checkpoint;
  // When a stage begins.
  std::function<void(const StateMemory& memory)> memory;
};

struct LearnerOptions {
  uint32_t rank = 0;
  v1::Job job;  // Resolved.
  std::string run_directory;
  Clock clock;
  // How long a call may wait for another rank after Stop.
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

  // Makes Run return at the next step boundary; at once, if the learner waits
  // for the coordinator, and after stop_patience, if it waits for another rank
  // (OnLivingLearners measures that).  Before Run returns, the ranks save a
  // checkpoint if there is a step without one.  That takes all ranks: if only
  // one of several is stopped, the steps since the latest checkpoint may have
  // to be trained again.  The caller cancels the Cluster's calls.
  void Stop();
  // Voids what the learner waits for, because this process joined the cluster
  // again.
  void Interrupt();
  // Takes the addresses of the learners that the coordinator regards as living,
  // by rank; called with every heartbeat.  A rank of this rank set that is
  // missing twice in a row was lost, which voids what this learner waits for.
  // (Missing once may mean that the list is older than the rank set.)
  void OnLivingLearners(const std::map<uint32_t, std::string>& living);

 private:
  absl::StatusOr<v1::NextStageResponse> AwaitStage();
  absl::Status RunStage(const v1::NextStageResponse& next);
  absl::Status JoinGroup(const v1::NextStageResponse& next);
  absl::Status BringState(const v1::NextStageResponse& next);
  absl::Status LoadState(const v1::NextStageResponse& next,
                         const Hash128& chain);
  Sharding WantedSharding(const v1::NextStageResponse& next) const;
  bool StateFits(const v1::NextStageResponse& next, const Hash128& chain) const;
  absl::Status PublishStart(const Stage& stage, uint64_t first_step);
  absl::Status RunSteps(Stage& stage, uint64_t first_step);
  absl::StatusOr<v1::BeginStepResponse::Go> AgreeOnStep(uint32_t stage,
                                                        uint64_t step);
  // The character that rank 0 broadcasts about a step; *error is what ends the
  // stage on rank 0.
  char AskForStep(uint32_t stage, uint64_t step, absl::Status* error);
  void SetAwaitsStep(bool awaits) ABSL_LOCKS_EXCLUDED(mutex_);
  absl::Status DoStep(Stage& stage, uint64_t step);
  absl::Status CheckExactness(const StepResult& result);
  absl::Status Commit(const Stage& stage, uint64_t step, absl::Time start,
                      StepResult& result);
  void WriteRollouts(const Stage& stage, uint64_t step,
                     const std::string& lines);
  bool IsSaved() const;  // REQUIRES: position_.
  // Collective.  Reports a checkpoint that cannot be written; errors are those
  // of the communicator.
  absl::Status SaveCheckpoint();
  void ReportNoCheckpoint(const absl::Status& why);
  void CommitCheckpoint();
  void SaveBeforeEnd();
  void SayMemory(const Stage& stage) const;
  // Whether to continue with NextStage after a stage ended with `status`.
  bool MayGoOn(const absl::Status& status);
  void LeaveGroup();
  // Runs `body` while the status of this process shows that it waits for
  // `shown`.
  template <class Body>
  auto Waiting(const std::string& what, const std::string& shown, Body&& body);

  const LearnerOptions options_;
  const ModelSetup& setup_;
  ThreadPool& pool_;
  Cluster& cluster_;
  GroupBuffer& buffer_;
  const Connect connect_;
  const LearnerGauges gauges_;

  // Identifies a rank set: coordinator epoch and group epoch.
  using GroupName = std::pair<uint64_t, uint64_t>;
  std::unique_ptr<comm::Communicator> comm_;
  std::optional<GroupName> group_;
  std::optional<GroupName> broken_group_;

  std::unique_ptr<ModelState> state_;
  std::optional<Position> position_;    // Unset: the state is no version.
  std::optional<Position> saved_;       // Of the latest checkpoint.
  std::optional<GroupName> evaluated_;  // Epoch and stage; already published.

  std::atomic<bool> stopping_{false};
  Mutex mutex_;
  std::vector<std::string> group_addresses_
      ABSL_GUARDED_BY(mutex_);  // By rank.
  int times_missing_ ABSL_GUARDED_BY(mutex_) = 0;
  absl::Time stopped_at_ ABSL_GUARDED_BY(mutex_) = absl::InfiniteFuture();
  // comm_, for other threads.
  comm::Communicator* joined_ ABSL_GUARDED_BY(mutex_) = nullptr;
  // This rank waits for rank 0 to announce the next step and may be woken.
  bool awaits_step_ ABSL_GUARDED_BY(mutex_) = false;
  // The ranks write a checkpoint, which may take longer than stop_patience.
  bool saving_ ABSL_GUARDED_BY(mutex_) = false;
};

}  // namespace aha::learner
