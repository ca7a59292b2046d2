// One GRPO step: from the groups of a step to the next version.
//
// Each rank works on its own groups, group by group in slot order.  A group is
// packed by itself, so a gradient term never depends on how groups are dealt
// to ranks; terms are summed as integers (model/gradient_sum.h), statistics in
// slot order.  Hence the result is the same bits for any number of ranks.
//
// On the way every recorded log-probability is compared, as bits, with the one
// that the sampling version gives here.
//
// Owned by one thread.
#pragma once

#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/types/span.h"
#include "aha/v1/job.pb.h"
#include "aha/v1/rollout.pb.h"
#include "comm/communicator.h"
#include "learner/group_facts.h"
#include "learner/model_state.h"
#include "learner/step_result.h"
#include "rl/advantage.h"
#include "rl/losses.h"
#include "rl/packing.h"

namespace aha::learner {

struct GrpoSettings {
  uint32_t stage = 0;
  uint32_t slots = 0;  // prompts_per_step
  float temperature = 1;
  LossOptions loss;
  AdvantageOptions advantage;

  // Of a grpo stage of the job, whose defaults are filled in.
  static absl::StatusOr<GrpoSettings> FromJob(const v1::Job& job,
                                              uint32_t stage);
};

class GrpoStep {
 public:
  // Neither is owned.
  GrpoStep(const GrpoSettings& settings, ModelState* state)
      : settings_(settings), state_(*state) {}

  // Trains step `step` on this rank's groups (by slot) and leaves the next
  // version in the state.  On an error the state may be half-way: reset or
  // restore it.
  absl::StatusOr<StepResult> Run(
      uint64_t step, absl::Span<const v1::ScoredGroup* const> groups,
      const Hash128& chain, comm::Communicator& comm);

 private:
  absl::StatusOr<GroupFacts> TrainGroup(const v1::ScoredGroup& group,
                                        absl::Span<const float> advantages);
  absl::Status TrainMicroBatch(const v1::ScoredGroup& group,
                               const MicroBatch& batch,
                               absl::Span<const float> advantages,
                               GroupFacts* facts);
  // Lines of all ranks in slot order, on rank 0.
  absl::StatusOr<std::string> GatherRollouts(const std::string& mine,
                                             comm::Communicator& comm) const;

  const GrpoSettings settings_;
  ModelState& state_;
};

}  // namespace aha::learner
