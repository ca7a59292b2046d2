#include "model/training_batch.h"

#include <algorithm>
#include <cstring>
#include <numeric>
#include <utility>

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
    batch.target_counts.push_back(rows + 1 - sequence.prompt_length);
    for (int64_t t = sequence.prompt_length; t <= rows; ++t) {
      batch.target_rows.push_back(first + t - 1);
      batch.targets.push_back(sequence.tokens[static_cast<size_t>(t)]);
    }
  }
  return batch;
}

LivePart SelectLive(const TrainingBatch& batch,
                    absl::Span<const float> dlogprob) {
  LivePart part;
  TrainingBatch& live = part.batch;
  int64_t target = 0;
  for (size_t s = 0; s < batch.sequences.size(); ++s) {
    const int64_t targets = batch.target_counts[s];
    const auto derivatives = dlogprob.subspan(static_cast<size_t>(target),
                                              static_cast<size_t>(targets));
    const int64_t first_target = std::exchange(target, target + targets);
    if (std::all_of(derivatives.begin(), derivatives.end(),
                    [](float d) { return d == 0; })) {
      continue;
    }
    ops::SequenceRows sequence = batch.sequences[s];
    const int64_t shift = sequence.first_row - live.rows();
    part.rows.push_back({sequence.first_row, live.rows(), sequence.rows});
    part.targets.push_back({first_target, live.num_targets(), targets});
    for (int64_t t = first_target; t < target; ++t) {
      const size_t i = static_cast<size_t>(t);
      live.target_rows.push_back(batch.target_rows[i] - shift);
      live.targets.push_back(batch.targets[i]);
    }
    const int64_t first_row = std::exchange(sequence.first_row, live.rows());
    const auto append = [&](const std::vector<int32_t>& from,
                            std::vector<int32_t>* to) {
      to->insert(to->end(), from.begin() + first_row,
                 from.begin() + first_row + sequence.rows);
    };
    append(batch.positions, &live.positions);
    append(batch.tokens, &live.tokens);
    live.sequences.push_back(sequence);
    live.target_counts.push_back(targets);
  }
  return part;
}

void MoveRows(absl::Span<const RowMove> moves, int64_t width, void* data) {
  char* bytes = static_cast<char*>(data);
  for (const RowMove& move : moves) {
    std::memmove(bytes + move.to * width, bytes + move.from * width,
                 static_cast<size_t>(move.count * width));
  }
}

}  // namespace aha
