// Packing decides which sequences share a forward and backward pass.
//
// A micro-batch's gradient is rounded once when it enters the step's sum, so
// its composition is part of the result.  It must never depend on how groups
// are dealt to ranks; callers therefore pack each group by itself.
//
// The function is pure.
#pragma once

#include <cstdint>
#include <vector>

#include "absl/types/span.h"

namespace aha {

// Sequences [begin, end) of the packed list.
struct MicroBatch {
  int64_t begin = 0;
  int64_t end = 0;

  friend bool operator==(const MicroBatch&, const MicroBatch&) = default;
};

// Splits sequences of the given lengths (prompt and completion, in tokens),
// in order, into runs of at most `token_limit` tokens.  A sequence is never
// cut; one that is longer than the limit is a run of its own.
// REQUIRES: token_limit >= 1, lengths >= 0.
std::vector<MicroBatch> PackMicroBatches(absl::Span<const int64_t> lengths,
                                         int64_t token_limit);

}  // namespace aha
