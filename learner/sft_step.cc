#include "learner/sft_step.h"

#include <algorithm>

#include "absl/strings/str_cat.h"
#include "base/status.h"
#include "learner/bytes.h"
#include "rl/checksum.h"

namespace aha::learner {

struct SftStep::Facts {
  uint32_t micro_batch = 0;
  int64_t tokens = 0;   // Prompts included.
  int64_t targets = 0;  // Tokens of completions.
  double loss = 0;      // Summed over targets, as is
  double entropy = 0;
};

absl::StatusOr<SftStep::Facts> SftStep::Train(uint64_t step,
                                              uint32_t micro_batch) {
  AHA_ASSIGN_OR_RETURN(const std::vector<TrainSequence> sequences,
                       documents_.MicroBatch(step, micro_batch));
  Facts facts{.micro_batch = micro_batch};
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

absl::StatusOr<SftStep::Facts> SftStep::Total(const std::vector<Facts>& mine,
                                              comm::Communicator& comm) const {
  std::string bytes;
  for (const Facts& facts : mine) AppendBytes(&bytes, facts);
  AHA_ASSIGN_OR_RETURN(const std::vector<std::string> ranks,
                       comm.AllGatherBytes("statistics", bytes));
  std::vector<Facts> all;
  for (absl::string_view rest : ranks) {
    for (Facts facts; TakeBytes(&rest, &facts);) all.push_back(facts);
  }
  if (all.size() != documents_.micro_batches()) {
    return absl::InternalError(absl::StrCat("the ranks trained ", all.size(),
                                            " micro-batches of ",
                                            documents_.micro_batches()));
  }
  std::sort(all.begin(), all.end(), [](const Facts& a, const Facts& b) {
    return a.micro_batch < b.micro_batch;
  });
  Facts total;
  for (const Facts& facts : all) {
    total.tokens += facts.tokens;
    total.targets += facts.targets;
    total.loss += facts.loss;
    total.entropy += facts.entropy;
  }
  return total;
}

absl::StatusOr<StepResult> SftStep::Run(uint64_t step, const Hash128& chain,
                                        comm::Communicator& comm) {
  state_.sums().Clear();
  std::vector<Facts> mine;
  for (uint32_t u = static_cast<uint32_t>(comm.rank());
       u < documents_.micro_batches();
       u += static_cast<uint32_t>(comm.size())) {
    AHA_ASSIGN_OR_RETURN(mine.emplace_back(), Train(step, u));
  }
  AHA_ASSIGN_OR_RETURN(const Facts total, Total(mine, comm));
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

}  // namespace aha::learner
