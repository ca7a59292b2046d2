// RowBatch names the rows of one pass through a model's layers: each row is a
// token at a position of a sequence. Decoding, prefilling and training differ
// in nothing but the rows that they put into it.
//
// Internal to model/.
#pragma once

#include <cstdint>

#include "absl/types/span.h"
#include "model/kv_cache.h"
#include "ops/attention.h"

namespace aha {

struct RowBatch {
  absl::Span<const int32_t> tokens;               // [rows]
  absl::Span<const int32_t> positions;            // [rows]
  absl::Span<const ops::SequenceRows> sequences;  // Cover the rows in order.
  KvCache* cache;
  // The sequences whose block tables receive what the rows store in the cache.
  // Empty: `sequences`.
  absl::Span<const ops::SequenceRows> stores = {};

  int64_t rows() const { return static_cast<int64_t>(tokens.size()); }
  absl::Span<const ops::SequenceRows> stored() const {
    return stores.empty() ? sequences : stores;
  }
};

}  // namespace aha
