// Causal grouped-query attention over a paged KV cache.
//
// The invariance rule: a query row visits the KV blocks of its sequence in
// ascending order, kBlockTokens keys at a time at absolute positions, with an
// online softmax. Keys after the row's own position count as exp(-inf) = +0 in
// a fixed lane order. So the bits of a row are the same whether it is decoded
// alone, prefilled in chunks of any size, or part of a whole training sequence.
// With a window, a row begins at the block that holds the first key that it
// sees, and the keys before that one count as exp(-inf), too.
#pragma once

#include <cstdint>

#include "absl/types/span.h"
#include "device/context.h"
#include "device/dtype.h"

namespace aha::ops {

constexpr int64_t kBlockTokens = 32;

// The cache of one layer, in blocks of kBlockTokens positions.
struct KvBlocks {
  void* k;  // [blocks, kv_heads, kBlockTokens, head_dim], dtype, after RoPE
  void* v;  // likewise
  int64_t kv_heads, head_dim;
  DType dtype;
};

// Consecutive positions of one sequence, which are in consecutive rows.
struct SequenceRows {
  const int32_t*
      blocks;  // Block table: position p is in blocks[p / kBlockTokens]
  int64_t first_row;
  int64_t rows;
  int64_t first_position;
};

// Rounds the rows' k and v and writes them into the cache.
struct KvStoreArgs {
  const float* k;  // [rows, row_stride]: kv_heads * head_dim used
  const float* v;  // likewise
  int64_t row_stride;
  KvBlocks cache;
  absl::Span<const SequenceRows> sequences;
};
void KvStore(const CpuContext& context, const KvStoreArgs& args);
void KvStore(const ReferenceContext&, const KvStoreArgs& args);
inline void KvStore(const Context& context, const KvStoreArgs& args) {
  context.Visit([&](const auto& device) { KvStore(device, args); });
}

struct AttentionArgs {
  const float* q;  // [rows, row_stride]: heads * head_dim used, after RoPE
  int64_t row_stride;
  KvBlocks cache;  // holds all positions up to that of each row
  absl::Span<const SequenceRows> sequences;
  int64_t heads;       // a multiple of kv_heads
  float scale;         // 1/sqrt(head_dim)
  void* out;           // [rows, heads * head_dim], the cache's dtype
  float* log_sum_exp;  // [rows, heads] of the scaled scores; may be null
  // A row at position p sees the keys after p - window, as many as that; 0: all
  // up to p. Not negative.
  int64_t window = 0;
};
void Attention(const CpuContext& context, const AttentionArgs& args);
void Attention(const ReferenceContext&, const AttentionArgs& args);
inline void Attention(const Context& context, const AttentionArgs& args) {
  context.Visit([&](const auto& device) { Attention(device, args); });
}

// The gradient for whole sequences (first_position 0). It reads the same
// rounded K and V as the forward pass.
struct AttentionGradArgs {
  const float* q;      // as in the forward pass
  int64_t row_stride;  // of q, dq, dk, dv
  KvBlocks cache;
  absl::Span<const SequenceRows> sequences;
  int64_t heads;
  float scale;
  const void* out;           // as in the forward pass
  const float* log_sum_exp;  // as in the forward pass
  const float* dout;         // [rows, heads * head_dim]
  float* dq;                 // [rows, row_stride]: heads * head_dim written
  float* dk;                 // [rows, row_stride]: kv_heads * head_dim written
  float* dv;                 // likewise; query rows summed in a fixed order
  int64_t window = 0;        // as in the forward pass
};
void AttentionGrad(const CpuContext& context, const AttentionGradArgs& args);
void AttentionGrad(const ReferenceContext&, const AttentionGradArgs& args);
inline void AttentionGrad(const Context& context,
                          const AttentionGradArgs& args) {
  context.Visit([&](const auto& device) { AttentionGrad(device, args); });
}

}  // namespace aha::ops
