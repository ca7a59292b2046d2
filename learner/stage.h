// One stage as the learner runs it: its numbers, and what a step of it is.
//
// Owned by one thread, but for the GroupBuffer.
#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <string>

#include "absl/status/statusor.h"
#include "aha/v1/job.pb.h"
#include "comm/communicator.h"
#include "job/model_setup.h"
#include "learner/group_buffer.h"
#include "learner/grpo_step.h"
#include "learner/model_state.h"
#include "learner/sft_documents.h"
#include "learner/sft_step.h"
#include "learner/step_result.h"

namespace aha::learner {

class Stage {
 public:
  // Of type sft or grpo; prepares `state` for steps from first_step on and
  // opens `buffer` for grpo's groups.  Nothing is owned.
  static absl::StatusOr<std::unique_ptr<Stage>> Open(const v1::Job& job,
                                                     uint32_t index,
                                                     uint64_t first_step,
                                                     const ModelSetup& setup,
                                                     ModelState* state);

  uint32_t index() const { return index_; }
  uint64_t steps() const { return steps_; }
  uint64_t lag() const { return lag_; }
  bool is_grpo() const { return grpo_ != nullptr; }

  // What this rank's groups must look like.  REQUIRES: is_grpo().
  GroupRules Rules(uint64_t epoch, uint32_t rank, uint32_t world_size) const;

  // `groups` is empty for sft.
  absl::StatusOr<StepResult> Step(
      uint64_t step, absl::Span<const v1::ScoredGroup* const> groups,
      const Hash128& chain, comm::Communicator& comm);

 private:
  Stage(const v1::Job& job, uint32_t index, const ModelSetup& setup)
      : job_(job), setup_(setup), index_(index) {}
  absl::Status OpenGrpo(uint64_t first_step, ModelState* state);
  absl::Status OpenSft(uint64_t first_step, ModelState* state);

  const v1::Job job_;
  const ModelSetup& setup_;
  const uint32_t index_;
  uint64_t steps_ = 0;
  uint64_t lag_ = 0;
  std::unique_ptr<GrpoStep> grpo_;
  std::unique_ptr<SftDocuments> documents_;
  std::unique_ptr<SftStep> sft_;
};

// "eval" stages hold no steps; the learner only publishes for them.
bool IsEval(const v1::Job& job, uint32_t stage);

}  // namespace aha::learner
