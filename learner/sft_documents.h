// The documents of an sft stage, as token sequences.
//
// Which documents a step holds is a pure function of the job: the generator's
// corpus in its own order, a file in an order that is another in every epoch.
//
// Immutable; thread-safe.
#pragma once

#include <cstdint>
#include <memory>
#include <vector>

#include "absl/status/statusor.h"
#include "aha/v1/job.pb.h"
#include "data/sources.h"
#include "job/model_setup.h"
#include "model/backprop.h"

namespace aha::learner {

class SftDocuments {
 public:
  // Of a stage of type sft of the job, whose defaults are filled in.  `setup`
  // must outlive it.
  static absl::StatusOr<std::unique_ptr<SftDocuments>> Create(
      const v1::Job& job, uint32_t stage, const ModelSetup& setup);

  uint32_t micro_batches() const { return micro_batches_; }  // A step.
  // Prompt, completion and end token of each document of a micro-batch.
  // INVALID_ARGUMENT for a document that does not fit the model's context.
  absl::StatusOr<std::vector<TrainSequence>> MicroBatch(
      uint64_t step, uint32_t micro_batch) const;

 private:
  SftDocuments(const v1::Job& job, uint32_t stage, const ModelSetup& setup)
      : job_(job), stage_(stage), setup_(setup) {}
  uint64_t IndexOf(uint64_t step, uint32_t position) const;
  absl::StatusOr<TrainSequence> Tokens(uint64_t index) const;

  const v1::Job job_;
  const uint32_t stage_;
  const ModelSetup& setup_;
  std::unique_ptr<DocumentSource> source_;
  uint32_t documents_per_step_ = 0;
  uint32_t per_micro_batch_ = 0;
  uint32_t micro_batches_ = 0;
};

}  // namespace aha::learner
