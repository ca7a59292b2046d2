// The CPU bodies of attention.h. They cut the rows into pieces and give each
// piece, with one KV head, to a kernel. No piece depends on another, so the cut
// changes no bit.
#include <algorithm>
#include <vector>

#include "base/ceil_div.h"
#include "ops/attention.h"
#include "ops/scratch.h"
#include "ops/simd_table.h"

namespace aha::ops {
namespace {

struct Piece {
  const SequenceRows* sequence;
  int64_t begin, end;  // Rows of the sequence.
};

std::vector<Piece> Cut(absl::Span<const SequenceRows> sequences, int64_t most) {
  std::vector<Piece> pieces;
  pieces.reserve(sequences.size());
  for (const SequenceRows& sequence : sequences) {
    for (int64_t begin = 0; begin < sequence.rows; begin += most) {
      pieces.push_back(
          {&sequence, begin, std::min(sequence.rows, begin + most)});
    }
  }
  return pieces;
}

// Calls body(i) for every i, with several neighbours in one task: a decode step
// has thousands of pieces of less than a microsecond each.
template <class F>
void ForChunks(const CpuContext& context, int64_t count, F&& body) {
  const int64_t chunk =
      std::clamp<int64_t>(count / (8 * context.pool->threads()), 1, 32);
  context.pool->For(CeilDiv(count, chunk), [&](int64_t c) {
    const int64_t end = std::min(count, (c + 1) * chunk);
    for (int64_t i = c * chunk; i < end; ++i) body(i);
  });
}

template <class T>
void Put(const float* in, T* out, int64_t n) {
  if constexpr (sizeof(T) == sizeof(Bf16)) {
    Simd().round(in, out, n);
  } else {
    std::copy_n(in, n, out);
  }
}

template <class T>
void StorePiece(const KvStoreArgs& args, const Piece& piece) {
  const KvBlocks& cache = args.cache;
  for (int64_t r = piece.begin; r < piece.end; ++r) {
    const int64_t position = piece.sequence->first_position + r;
    const int64_t block = piece.sequence->blocks[position / kBlockTokens];
    const int64_t row = (piece.sequence->first_row + r) * args.row_stride;
    for (int64_t h = 0; h < cache.kv_heads; ++h) {
      const int64_t to = ((block * cache.kv_heads + h) * kBlockTokens +
                          position % kBlockTokens) *
                         cache.head_dim;
      const int64_t from = row + h * cache.head_dim;
      Put(args.k + from, static_cast<T*>(cache.k) + to, cache.head_dim);
      Put(args.v + from, static_cast<T*>(cache.v) + to, cache.head_dim);
    }
  }
}

}  // namespace

void KvStore(const CpuContext& context, const KvStoreArgs& args) {
  const std::vector<Piece> pieces = Cut(args.sequences, 64);
  ForChunks(context, static_cast<int64_t>(pieces.size()), [&](int64_t i) {
    WithType(args.cache.dtype,
             [&]<class T>() { StorePiece<T>(args, pieces[i]); });
  });
}

void Attention(const CpuContext& context, const AttentionArgs& args) {
  // 16 query rows share the conversion of a block to fp32, and together with
  // the block they fit the L1 cache.
  constexpr int64_t kRows = 16;
  const std::vector<Piece> pieces = Cut(args.sequences, kRows);
  const int64_t kv_heads = args.cache.kv_heads;
  const int64_t tasks = static_cast<int64_t>(pieces.size()) * kv_heads;
  ForChunks(context, tasks, [&](int64_t i) {
    const Piece& piece = pieces[i / kv_heads];
    const AttentionTile tile = {piece.sequence, i % kv_heads, piece.begin,
                                piece.end};
    const int64_t size =
        Simd().attention_scratch(args, piece.end - piece.begin);
    Simd().attention(args, tile, ThreadScratch(0, size));
  });
}

void AttentionGrad(const CpuContext& context, const AttentionGradArgs& args) {
  const int64_t kv_heads = args.cache.kv_heads;
  const int64_t tasks = static_cast<int64_t>(args.sequences.size()) * kv_heads;
  context.pool->For(tasks, [&](int64_t i) {
    const SequenceRows& sequence = args.sequences[i / kv_heads];
    const int64_t size = Simd().attention_grad_scratch(args, sequence.rows);
    Simd().attention_grad(args, sequence, i % kv_heads, ThreadScratch(0, size));
  });
}

}  // namespace aha::ops
