// One step of supervised training: the mean of -ln p over all completion
// tokens of the step.
//
// Micro-batch u belongs to rank u mod N; terms are summed as integers and
// statistics in order of u, so the result is the same bits for any N.
//
// Owned by one thread.
#pragma once

#include "absl/status/statusor.h"
#include "comm/communicator.h"
#include "learner/model_state.h"
#include "learner/sft_documents.h"
#include "learner/step_result.h"

namespace aha::learner {

class SftStep {
 public:
  // Neither is owned.
  SftStep(uint32_t stage, const SftDocuments* documents, ModelState* state)
      : stage_(stage), documents_(*documents), state_(*state) {}

  // As GrpoStep::Run.
  absl::StatusOr<StepResult> Run(uint64_t step, const Hash128& chain,
                                 comm::Communicator& comm);

 private:
  struct Facts;  // One micro-batch's statistics.
  absl::StatusOr<Facts> Train(uint64_t step, uint32_t micro_batch);
  absl::StatusOr<Facts> Total(const std::vector<Facts>& mine,
                              comm::Communicator& comm) const;

  const uint32_t stage_;
  const SftDocuments& documents_;
  ModelState& state_;
};

}  // namespace aha::learner
