// A learner rank from its start to its end: it asks the coordinator for a
// stage, does its part in it, and asks again, until the job is over.
//
// Rank 0 acts for the rank set: it alone begins and commits steps, publishes
// weights and completes checkpoints, and broadcasts what the coordinator
// answered.  Every rank holds the same weights and its shard of the optimizer's
// state, which it writes to the checkpoints.  In a stage that does not train,
// rank 0 publishes the weights, once, and the others have nothing to do.
//
//   Learner learner(options, parts);
//   absl::Status status = learner.Run();   // Another thread may call Stop.
//
// The parts of it are classes of their own: the rank set (rank_set.h), the
// state with its position and its checkpoints (training_state.h), and the steps
// of a stage (step_loop.h).
//
// Run is called once, by one thread; all else is thread-safe.
#pragma once

#include <cstdint>
#include <functional>
#include <map>
#include <optional>
#include <string>
#include <utility>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/time/time.h"
#include "aha/v1/job.pb.h"
#include "base/clock.h"
#include "device/context.h"
#include "job/model_setup.h"
#include "job/plan.h"
#include "learner/cluster.h"
#include "learner/gauges.h"
#include "learner/group_buffer.h"
#include "learner/rank_set.h"
#include "learner/step_loop.h"
#include "learner/training_state.h"
#include "learner/waits.h"

namespace aha::learner {

struct LearnerOptions {
  uint32_t rank = 0;
  v1::Job job;  // Resolved.
  std::string run_directory;
  Clock clock;
  // Waits that long before the coordinator is asked again.
  std::function<void(absl::Duration)> sleep;
  // How long a wait for another rank continues after Stop.
  absl::Duration stop_patience = absl::Seconds(5);
};

// Nothing is owned.
struct LearnerParts {
  const ModelSetup* setup;
  ops::Context context;  // Where the rank computes.
  Cluster* cluster;
  GroupBuffer* buffer;
  Connect connect;
  LearnerGauges gauges = {};
};

class Learner {
 public:
  Learner(LearnerOptions options, LearnerParts parts);

  // OK when the job is over, and after Stop.  Any other status was reported to
  // the coordinator as what ends this process.
  absl::Status Run();

  // Ends Run: at the next step boundary; at once, if it waits for the
  // coordinator, whose calls the caller cancels; after stop_patience, if it
  // waits for another rank, which OnLivingLearners finds out.  Before Run
  // returns, the ranks save a checkpoint if there is a step without one.  That
  // takes all ranks: if only one of several is stopped, the steps since the
  // latest checkpoint may have to be trained again.
  void Stop();
  // This process joined the cluster again: whatever it waits for is void.
  void Interrupt();
  // `living` has the addresses of the learners that the coordinator takes for
  // living, by rank; to be called with every heartbeat.  If a rank of the rank
  // set was lost, whatever this rank waits for is void.
  void OnLivingLearners(const std::map<uint32_t, std::string>& living);

 private:
  // A stage of a coordinator with that epoch.
  using StageOfEpoch = std::pair<uint64_t, uint32_t>;

  absl::StatusOr<v1::NextStageResponse> AwaitStage();
  absl::Status RunStage(const v1::NextStageResponse& next);
  absl::Status PublishOnce(const v1::NextStageResponse& next);
  absl::Status JoinRankSet(const v1::NextStageResponse& next);
  void SaveBeforeEnd();
  // Whether Run asks for a stage again after one that ended with `status`.
  bool ShouldAskAgain(const absl::Status& status);

  const LearnerOptions options_;
  const JobPlan plan_;
  Cluster& cluster_;
  GroupBuffer& buffer_;
  const LearnerGauges gauges_;
  Waits waits_;
  RankSet ranks_;
  TrainingState state_;
  StepLoop loop_;
  // The latest stage that does not train and whose weights were published.
  std::optional<StageOfEpoch> published_;
};

}  // namespace aha::learner
