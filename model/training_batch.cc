#include "model/training_batch.h"

#include <numeric>

#include "absl/strings/str_cat.h"

namespace aha {
namespace {

absl::Status Invalid(size_t sequence, absl::string_view rule, int64_t value) {
  return absl::InvalidArgumentError(
      absl::StrCat("sequence ", sequence, ": ", rule, ", found ", value));
}

bool HasTargets(const TrainSequence& sequence) {
  return sequence.prompt_length < static_cast<int64_t>(sequence.tokens.size());
}

}  // namespace

absl::Status CheckSequences(absl::Span<const TrainSequence> sequences,
                            const ModelConfig& config) {
  for (size_t s = 0; s < sequences.size(); ++s) {
    const int64_t size = static_cast<int64_t>(sequences[s].tokens.size());
    if (size < 1 || size > config.max_position_embeddings) {
      return Invalid(s,
                     absl::StrCat("must have 1 to max_position_embeddings (",
                                  config.max_position_embeddings, ") tokens"),
                     size);
    }
    const int64_t prompt = sequences[s].prompt_length;
    if (prompt < 1 || prompt > size) {
      return Invalid(
          s, absl::StrCat("prompt_length must be in [1, ", size, "]"), prompt);
    }
    for (const int32_t token : sequences[s].tokens) {
      if (token < 0 || token >= config.vocab_size) {
        return Invalid(
            s, absl::StrCat("token ids must be below ", config.vocab_size),
            token);
      }
    }
  }
  return absl::OkStatus();
}

TrainingBatch MakeTrainingBatch(absl::Span<const TrainSequence> sequences) {
  TrainingBatch batch;
  int64_t blocks = 0;
  for (const TrainSequence& sequence : sequences) {
    if (!HasTargets(sequence)) continue;
    const int64_t rows = static_cast<int64_t>(sequence.tokens.size()) - 1;
    blocks += (rows + ops::kBlockTokens - 1) / ops::kBlockTokens;
  }
  batch.blocks.resize(static_cast<size_t>(blocks));
  std::iota(batch.blocks.begin(), batch.blocks.end(), 0);
  const int32_t* table = batch.blocks.data();
  for (const TrainSequence& sequence : sequences) {
    if (!HasTargets(sequence)) continue;
    const int64_t first = batch.rows();
    const int64_t rows = static_cast<int64_t>(sequence.tokens.size()) - 1;
    batch.sequences.push_back({.blocks = table,
                               .first_row = first,
                               .rows = rows,
                               .first_position = 0});
    table += (rows + ops::kBlockTokens - 1) / ops::kBlockTokens;
    batch.tokens.insert(batch.tokens.end(), sequence.tokens.begin(),
                        sequence.tokens.end() - 1);
    for (int64_t p = 0; p < rows; ++p) {
      batch.positions.push_back(static_cast<int32_t>(p));
    }
    for (int64_t t = sequence.prompt_length; t <= rows; ++t) {
      batch.target_rows.push_back(first + t - 1);
      batch.targets.push_back(sequence.tokens[static_cast<size_t>(t)]);
    }
  }
  return batch;
}

}  // namespace aha
