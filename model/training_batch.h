// The rows of a micro-batch of whole sequences.  Internal to model/.
#pragma once

#include <cstdint>
#include <vector>

#include "absl/status/status.h"
#include "absl/types/span.h"
#include "model/backprop.h"
#include "model/config.h"
#include "ops/attention.h"

namespace aha {

// A row per token but the last of each sequence, which predicts nothing.
// Sequences without targets have no rows.
struct TrainingBatch {
  std::vector<int32_t> tokens;     // [rows]
  std::vector<int32_t> positions;  // [rows]
  std::vector<int32_t> blocks;     // 0, 1, 2, ...: the sequences' tables
  std::vector<ops::SequenceRows> sequences;
  std::vector<int64_t> target_counts;  // One a sequence.
  std::vector<int64_t> target_rows;    // [targets]: the row that predicts it
  std::vector<int32_t> targets;        // [targets]

  int64_t rows() const { return static_cast<int64_t>(tokens.size()); }
  int64_t num_targets() const { return static_cast<int64_t>(targets.size()); }
};

// INVALID_ARGUMENT naming the sequence, the rule and the value.
absl::Status CheckSequences(absl::Span<const TrainSequence> sequences,
                            const ModelConfig& config);

// REQUIRES: CheckSequences.
TrainingBatch MakeTrainingBatch(absl::Span<const TrainSequence> sequences);

// Rows [from, from + count) that become [to, to + count); to <= from.
struct RowMove {
  int64_t from, to, count;
};

// The part of a batch whose sequences have a derivative that is not zero; the
// others take no part in the gradient.  `batch` must outlive the result.
struct LivePart {
  TrainingBatch batch;           // Uses the whole batch's KV blocks.
  std::vector<RowMove> rows;     // Ascending.
  std::vector<RowMove> targets;  // Ascending.
};
LivePart SelectLive(const TrainingBatch& batch,
                    absl::Span<const float> dlogprob);

// Moves rows of `width` bytes to the front.
void MoveRows(absl::Span<const RowMove> moves, int64_t width, void* data);

}  // namespace aha
