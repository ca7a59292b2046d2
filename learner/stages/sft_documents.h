// The documents of a stage of kind sft, as token sequences.
//
// Which documents a step holds is a pure function of the job: the corpus of the
// generator comes in its own order, the documents of a file in another
// permutation in each epoch.
//
// Immutable; thread-safe.
#pragma once

#include <cstdint>
#include <memory>
#include <vector>

#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "aha/v1/job.pb.h"
#include "data/sources.h"
#include "job/model_setup.h"
#include "model/backprop.h"

namespace aha::learner {

class SftDocuments {
 public:
  // The job is resolved, and the stage is of kind sft.  `setup` must outlive
  // the documents.  INVALID_ARGUMENT for a file that cannot be used.
  static absl::StatusOr<std::unique_ptr<SftDocuments>> Create(
      const v1::Job& job, uint32_t stage, const ModelSetup& setup);

  // The number of micro-batches of one step.
  uint32_t micro_batches() const { return micro_batches_; }
  // Prompt, completion and end token of each document of a micro-batch.
  // INVALID_ARGUMENT for a document that does not fit the model's context.
  absl::StatusOr<std::vector<TrainSequence>> MicroBatch(
      uint64_t step, uint32_t micro_batch) const;

 private:
  SftDocuments(const v1::Job& job, uint32_t stage, const ModelSetup& setup)
      : job_(job), stage_(stage), setup_(setup) {}
  uint64_t IndexOf(uint64_t step, uint32_t position) const;
  absl::StatusOr<TrainSequence> Tokens(uint64_t index) const;
  static absl::string_view WithoutOpening(absl::string_view completion,
                                          absl::string_view opening);
  // What ends a document: with a chat template the token that ends a turn.
  int32_t EndToken(bool chat) const;

  const v1::Job job_;
  const uint32_t stage_;
  const ModelSetup& setup_;
  std::unique_ptr<DocumentSource> source_;
  uint32_t documents_per_step_ = 0;
  uint32_t per_micro_batch_ = 0;
  uint32_t micro_batches_ = 0;
};

}  // namespace aha::learner
