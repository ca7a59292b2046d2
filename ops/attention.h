// Causal grouped-query attention over a paged KV cache.
//
// The invariance rule: a query row walks the KV blocks of its sequence in
// ascending order, kBlockTokens keys at a time at absolute positions, with an
// online softmax; keys after its own position count as exp(-inf) = +0 in a
// fixed lane order.  So a row's bits are the same whether it is decoded alone,
// prefilled in any chunking, or part of a whole training sequence.
#pragma once

#include <cstdint>

#include "absl/types/span.h"
#include "device/context.h"
#include "device/dtype.h"

namespace aha::ops {

constexpr int64_t kBlockTokens = 32;

// One layer's cache: blocks of kBlockTokens positions.
struct KvBlocks {
  void* k;  // [blocks, kv_heads, kBlockTokens, head_dim], dtype, after RoPE
  void* v;  // likewise
  int64_t kv_heads, head_dim;
  DType dtype;
};

// Consecutive positions of one sequence that stand in consecutive rows.
struct SequenceRows {
  const int32_t*
      blocks;  // Block table: position p is in blocks[p / kBlockTokens]
  int64_t first_row;
  int64_t rows;
  int64_t first_position;
};

// Rounds k and v of the rows into the cache.
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
  KvBlocks cache;  // Holds every position up to each row's own.
  absl::Span<const SequenceRows> sequences;
  int64_t heads;       // Multiple of kv_heads
  float scale;         // 1/sqrt(head_dim)
  void* out;           // [rows, heads * head_dim], the cache's dtype
  float* log_sum_exp;  // [rows, heads] of the scaled scores; may be null
};
void Attention(const CpuContext& context, const AttentionArgs& args);
void Attention(const ReferenceContext&, const AttentionArgs& args);
inline void Attention(const Context& context, const AttentionArgs& args) {
  context.Visit([&](const auto& device) { Attention(device, args); });
}

// Gradient for whole sequences (first_position 0).  Reads the same rounded K
// and V that the forward pass read.
struct AttentionGradArgs {
  const float* q;      // as forward
  int64_t row_stride;  // of q, dq, dk, dv
  KvBlocks cache;
  absl::Span<const SequenceRows> sequences;
  int64_t heads;
  float scale;
  const void* out;           // as forward
  const float* log_sum_exp;  // as forward
  const float* dout;         // [rows, heads * head_dim]
  float* dq;                 // [rows, row_stride]: heads * head_dim written
  float* dk;                 // [rows, row_stride]: kv_heads * head_dim written
  float* dv;                 // likewise; query rows summed in a fixed order
};
void AttentionGrad(const CpuContext& context, const AttentionGradArgs& args);
void AttentionGrad(const ReferenceContext&, const AttentionGradArgs& args);
inline void AttentionGrad(const Context& context,
                          const AttentionGradArgs& args) {
  context.Visit([&](const auto& device) { AttentionGrad(device, args); });
}

}  // namespace aha::ops
