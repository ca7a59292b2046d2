// The rows of a micro-batch of whole sequences.  Internal to model/.
#pragma once

#include <cstdint>
#include <vector>

#include "absl/status/status.h"
#include "absl/types/span.h"
#include "model/backprop.h"
#include "model/config.h"
#include "model/row_batch.h"
#include "ops/attention.h"

namespace aha {

// Rows [from, from + count) that become [to, to + count).
struct RowMove {
  int64_t from, to, count;
};

// A micro-batch as rows: one for each token except the last of a sequence,
// which predicts nothing.  Sequences without targets have no rows.
//
// Rows of sequences that begin with the same tokens, such as the completions of
// one prompt, have the same bits in the forward pass (the invariance rule), so
// it computes each distinct row once.  The backward pass has all rows, because
// their gradients differ.
struct TrainingBatch {
  std::vector<int32_t> tokens;     // [rows]
  std::vector<int32_t> positions;  // [rows]
  std::vector<int32_t> blocks;     // 0, 1, 2, ...: the sequences' tables
  std::vector<ops::SequenceRows> sequences;
  std::vector<int64_t> target_counts;  // One a sequence.
  std::vector<int64_t> target_rows;    // [targets]: the row that predicts it
  std::vector<int32_t> targets;        // [targets]

  struct Distinct {
    std::vector<int32_t> tokens;     // [distinct rows]
    std::vector<int32_t> positions;  // [distinct rows]
    // What stands first in each sequence: the first of those that begin alike
    // has the rows.  A sequence may have none.
    std::vector<ops::SequenceRows> sequences;
    // The same, and the tables of those that have their rows from another.
    std::vector<ops::SequenceRows> stores;
    std::vector<int64_t> of;  // [rows]: the distinct row that a row equals
  } distinct;

  int64_t rows() const { return static_cast<int64_t>(tokens.size()); }
  int64_t distinct_rows() const {
    return static_cast<int64_t>(distinct.tokens.size());
  }
  int64_t num_targets() const { return static_cast<int64_t>(targets.size()); }
};

// INVALID_ARGUMENT naming the sequence, the rule and the value.
absl::Status CheckSequences(absl::Span<const TrainSequence> sequences,
                            const ModelConfig& config);

// REQUIRES: CheckSequences.
TrainingBatch MakeTrainingBatch(absl::Span<const TrainSequence> sequences);

// What a pass over the batch computes; both must outlive the result.
RowBatch AllRows(const TrainingBatch& batch, KvCache* cache);
RowBatch DistinctRows(const TrainingBatch& batch, KvCache* cache);

// The part of a batch whose sequences have a derivative that is not zero; the
// others take no part in the gradient.  `batch` must outlive the result.
struct LivePart {
  TrainingBatch batch;  // Uses the whole batch's KV blocks.
  std::vector<RowMove>
      distinct;  // Moves of distinct rows.  Ascending, to <= from.
  std::vector<RowMove> targets;  // Moves of targets, likewise ascending.
};
LivePart SelectLive(const TrainingBatch& batch,
                    absl::Span<const float> dlogprob);

// Runs of distinct rows and the rows that they become.
std::vector<RowMove> CopiesOf(const TrainingBatch& batch);

// Moves rows of `width` bytes to the front.  REQUIRES: as LivePart's.
void MoveRows(absl::Span<const RowMove> moves, int64_t width, void* data);

}  // namespace aha
