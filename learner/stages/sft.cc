// Stages of kind sft: the loss of a step is the mean of -ln p over all
// completion tokens of its documents.
//
// Micro-batch u belongs to rank u mod N.  Gradients are summed as integers and
// statistics in the order of u, so the result is the same bits for any number
// of ranks.
#include <algorithm>
#include <utility>

#include "absl/strings/str_cat.h"
#include "base/status.h"
#include "learner/bytes.h"
#include "learner/stages/kinds.h"
#include "learner/stages/sft_documents.h"
#include "rl/checksum.h"

namespace aha::learner {
namespace {

// The statistics of one micro-batch, which ranks exchange as bytes.
struct MicroBatchFacts {
  uint32_t micro_batch = 0;
  int64_t tokens = 0;   // Tokens of prompts and completions.
  int64_t targets = 0;  // Tokens of completions.
  double loss = 0;      // Summed over targets, as is the entropy.
  double entropy = 0;
};

class SftWork : public StageWork {
 public:
  SftWork(uint32_t stage, std::unique_ptr<SftDocuments> documents,
          ModelState* state)
      : stage_(stage), documents_(std::move(documents)), state_(*state) {}

  absl::StatusOr<StepResult> Step(uint64_t step,
                                  absl::Span<const v1::ScoredGroup* const>,
                                  const Hash128& chain,
                                  comm::Communicator& comm) override;

 private:
  absl::StatusOr<MicroBatchFacts> Train(uint64_t step, uint32_t micro_batch);
  // The sum over the micro-batches of all ranks.
  absl::StatusOr<MicroBatchFacts> Total(
      const std::vector<MicroBatchFacts>& mine, comm::Communicator& comm) const;

  const uint32_t stage_;
  const std::unique_ptr<SftDocuments> documents_;
  ModelState& state_;
};

absl::StatusOr<MicroBatchFacts> SftWork::Train(uint64_t step,
                                               uint32_t micro_batch) {
  AHA_ASSIGN_OR_RETURN(const std::vector<TrainSequence> sequences,
                       documents_->MicroBatch(step, micro_batch));
  MicroBatchFacts facts{.micro_batch = micro_batch};
  for (const TrainSequence& sequence : sequences) {
    facts.tokens += static_cast<int64_t>(sequence.tokens.size());
  }
  const LossFunction loss = [&](const TargetScores& scores,
                                absl::Span<float> dloss) {
    facts.targets = static_cast<int64_t>(dloss.size());
    for (size_t i = 0; i < dloss.size(); ++i) {
      facts.loss -= scores.logprobs[i];
      facts.entropy += scores.entropies[i];
      dloss[i] = -1;
    }
    return absl::OkStatus();
  };
  AHA_RETURN_IF_ERROR(state_.current().Accumulate(sequences, /*temperature=*/1,
                                                  loss, &state_.sums()));
  return facts;
}

absl::StatusOr<MicroBatchFacts> SftWork::Total(
    const std::vector<MicroBatchFacts>& mine, comm::Communicator& comm) const {
  std::string bytes;
  for (const MicroBatchFacts& facts : mine) AppendBytes(&bytes, facts);
  AHA_ASSIGN_OR_RETURN(const std::vector<std::string> ranks,
                       comm.AllGatherBytes("statistics", bytes));
  std::vector<MicroBatchFacts> all;
  for (absl::string_view rest : ranks) {
    for (MicroBatchFacts facts; TakeBytes(&rest, &facts);) all.push_back(facts);
  }
  if (all.size() != documents_->micro_batches()) {
    return absl::InternalError(absl::StrCat("the ranks trained ", all.size(),
                                            " micro-batches of ",
                                            documents_->micro_batches()));
  }
  std::sort(all.begin(), all.end(),
            [](const MicroBatchFacts& a, const MicroBatchFacts& b) {
              return a.micro_batch < b.micro_batch;
            });
  MicroBatchFacts total;
  for (const MicroBatchFacts& facts : all) {
    total.tokens += facts.tokens;
    total.targets += facts.targets;
    total.loss += facts.loss;
    total.entropy += facts.entropy;
  }
  return total;
}

absl::StatusOr<StepResult> SftWork::Step(
    uint64_t step, absl::Span<const v1::ScoredGroup* const>,
    const Hash128& chain, comm::Communicator& comm) {
  state_.sums().Clear();
  std::vector<MicroBatchFacts> mine;
  for (uint32_t u = static_cast<uint32_t>(comm.rank());
       u < documents_->micro_batches();
       u += static_cast<uint32_t>(comm.size())) {
    AHA_ASSIGN_OR_RETURN(mine.emplace_back(), Train(step, u));
  }
  AHA_ASSIGN_OR_RETURN(const MicroBatchFacts total, Total(mine, comm));
  const double targets = static_cast<double>(total.targets);
  AHA_ASSIGN_OR_RETURN(const UpdateResult update,
                       state_.Update(step, targets, comm));
  StepResult result;
  result.weights_checksum = WeightsChecksum(state_.weights());
  result.chain = NextChain(chain, stage_, step, {}, result.weights_checksum);
  result.tokens = total.tokens;
  result.metrics["loss"] = total.loss / targets;
  result.metrics["entropy"] = total.entropy / targets;
  result.metrics["grad_norm"] = update.grad_norm;
  result.metrics["learning_rate"] = update.learning_rate;
  AHA_RETURN_IF_ERROR(CompareChecksums(result.chain, step + 1, comm));
  return result;
}

}  // namespace

absl::StatusOr<std::unique_ptr<StageWork>> OpenSft(const StageOfJob& of,
                                                   uint64_t first_step,
                                                   ModelState* state) {
  AHA_RETURN_IF_ERROR(
      state->BeginStage({.optimizer = of.settings().sft().optimizer(),
                         .steps = of.stage_plan().steps},
                        first_step));
  AHA_ASSIGN_OR_RETURN(std::unique_ptr<SftDocuments> documents,
                       SftDocuments::Create(of.plan.job, of.stage, of.setup));
  return std::make_unique<SftWork>(of.stage, std::move(documents), state);
}

}  // namespace aha::learner
