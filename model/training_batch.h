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
  std::vector<int64_t> target_rows;  // [targets]: the row that predicts it
  std::vector<int32_t> targets;      // [targets]

  int64_t rows() const { return static_cast<int64_t>(tokens.size()); }
  int64_t num_targets() const { return static_cast<int64_t>(targets.size()); }
};

// INVALID_ARGUMENT naming the sequence, the rule and the value.
absl::Status CheckSequences(absl::Span<const TrainSequence> sequences,
                            const ModelConfig& config);

// REQUIRES: CheckSequences.
TrainingBatch MakeTrainingBatch(absl::Span<const TrainSequence> sequences);

}  // namespace aha
