// The forward kernels of attention.h. A tile's queries walk the KV blocks
// together: each block is converted to fp32 once for all of them
// (WalkConverted) or, for few queries, read in place (WalkInPlace). Both give
// the same bits.
#include "ops/attention_simd.h"

#include "ops/scalar_math.h"

namespace aha::ops::AHA_ISA {
namespace {

constexpr float kInfinity = __builtin_inff();

bool IsPaired(const KvBlocks& cache) {
  return cache.dtype == DType::kBf16 && cache.head_dim % (2 * kLanes) == 0;
}

// Does the same as LoadBlock, in the order "even, odd". REQUIRES: IsPaired.
void LoadPairedBlock(const void* cache, const KvBlocks& shape,
                     const SequenceRows& sequence, int64_t index,
                     int64_t kv_head, int64_t n, float* out) {
  const Bf16* in =
      BlockRows<Bf16>(cache, shape, sequence.blocks[index], kv_head);
  for (int64_t i = 0; i < n * shape.head_dim; i += 2 * kLanes) {
    Store(out + i, LoadEven(in + i));
    Store(out + i + kLanes, LoadOdd(in + i));
  }
}

// The state of the online softmax of one query head.
struct Head {
  float max, sum;
};

// The keys of a block that a query sees: [begin, end), not empty.
struct Seen {
  int64_t begin, end;
};

// Walks one KV block.
template <int kVectors, class Rows>
AHA_INLINE void Step(const float* q, Rows keys, Rows values, Seen seen,
                     float scale, int64_t vectors, Head& head, float* acc) {
  const int64_t n = seen.end;
  const F32x16 scales = F32x16::Set(scale), low = F32x16::Set(-kInfinity);
  F32x16 s0 = KeepFirst(Dot16<kVectors>(q, keys, vectors) * scales, n, low);
  F32x16 s1 = low;
  if (n > kLanes) {
    s1 = KeepFirst(Dot16<kVectors>(q, keys.From(kLanes), vectors) * scales,
                   n - kLanes, low);
  }
  if (seen.begin > 0) {
    s0 = DropFirst(s0, seen.begin, low);
    s1 = DropFirst(s1, seen.begin - kLanes, low);
  }
  const float top = MaxOf(Max(s0, s1));
  const float max = top > head.max ? top : head.max;
  const F32x16 maxes = F32x16::Set(max);
  float weights[kBlockTokens], rescale[kLanes];
  const F32x16 p0 = Exp(s0 - maxes), p1 = Exp(s1 - maxes);
  Store(weights, p0);
  Store(weights + kLanes, p1);
  Store(rescale, Exp(F32x16::Set(head.max - max)));
  head.sum = head.sum * rescale[0] + Sum(p0 + p1);
  head.max = max;
  Accumulate<kVectors>(Weights{weights}, values, n, acc, rescale[0], vectors);
}

int64_t AttentionScratch(const AttentionArgs& args, int64_t rows) {
  const Shape shape = ShapeOf(args);
  return 2 * kBlockTokens * shape.stride +
         rows * shape.group * (2 * shape.stride + 2);
}

void StoreHead(const AttentionArgs& args, const Head& head, float* acc,
               int64_t row, int64_t h) {
  const int64_t dim = args.cache.head_dim;
  const F32x16 sum = F32x16::Set(head.sum);
  if (IsPaired(args.cache)) {
    for (int64_t i = 0; i < dim; i += 2 * kLanes) {
      F32x16 a = Load(acc + i), b = Load(acc + i + kLanes);
      Interleave(a, b);
      Store(acc + i, a);
      Store(acc + i + kLanes, b);
    }
  }
  WithType(args.cache.dtype, [&]<class T>() {
    T* out = static_cast<T*>(args.out) + (row * args.heads + h) * dim;
    for (int64_t i = 0; i < dim; i += kLanes) {
      StoreN(out + i, Load(acc + i) / sum, dim - i);
    }
  });
  if (args.log_sum_exp != nullptr) {
    args.log_sum_exp[row * args.heads + h] =
        static_cast<float>(double{head.max} + Ln(head.sum));
  }
}

// The queries (row, head of the group) of a tile and their state.
struct Queries {
  const AttentionArgs& args;
  const AttentionTile& tile;
  Shape shape;
  int64_t count;
  float* keys;  // A block's, [kBlockTokens, stride], as values.
  float* values = nullptr;
  float* q = nullptr;  // [count, stride], as acc
  float* acc = nullptr;
  Head* heads = nullptr;  // [count]

  int64_t RowOf(int64_t i) const {
    return tile.sequence->first_row + tile.begin + i / shape.group;
  }
  int64_t HeadOf(int64_t i) const {
    return tile.kv_head * shape.group + i % shape.group;
  }
  // Returns the keys that query i sees of the block that begins at position
  // `start`; none if the range is empty.
  Seen SeenOf(int64_t i, int64_t start) const {
    const int64_t position =
        tile.sequence->first_position + tile.begin + i / shape.group;
    const int64_t first = FirstSeen(args, position);
    return {first > start ? first - start : 0,
            Min64(kBlockTokens, position + 1 - start)};
  }
};

Queries Begin(const AttentionArgs& args, const AttentionTile& tile,
              float* scratch) {
  const Shape shape = ShapeOf(args);
  Queries s{args, tile, shape, (tile.end - tile.begin) * shape.group, scratch};
  s.values = s.keys + kBlockTokens * shape.stride;
  s.q = s.values + kBlockTokens * shape.stride;
  s.acc = s.q + s.count * shape.stride;
  s.heads = reinterpret_cast<Head*>(s.acc + s.count * shape.stride);
  for (int64_t i = 0; i < s.count; ++i) {
    float* q = s.q + i * shape.stride;
    LoadPadded(args.q + s.RowOf(i) * args.row_stride + s.HeadOf(i) * shape.dim,
               q, shape.dim);
    if (IsPaired(args.cache)) {
      for (int64_t d = 0; d < shape.dim; d += 2 * kLanes) {
        F32x16 a = Load(q + d), b = Load(q + d + kLanes);
        Deinterleave(a, b);
        Store(q + d, a);
        Store(q + d + kLanes, b);
      }
    }
    s.heads[i] = {-kInfinity, 0};
  }
  for (int64_t i = 0; i < s.count * shape.stride; ++i) s.acc[i] = 0;
  return s;
}

template <int kVectors, class Rows>
AHA_INLINE void StepAll(const Queries& s, Rows keys, Rows values,
                        int64_t start) {
  for (int64_t i = 0; i < s.count; ++i) {
    const Seen seen = s.SeenOf(i, start);
    if (seen.begin >= seen.end) continue;
    Step<kVectors>(s.q + i * s.shape.stride, keys, values, seen, s.args.scale,
                   s.shape.vectors, s.heads[i], s.acc + i * s.shape.stride);
  }
}

// Converts a block from the cache to fp32 first.
template <int kVectors>
void WalkConverted(const Queries& s, int64_t start, int64_t n) {
  const KvBlocks& cache = s.args.cache;
  const auto load = IsPaired(cache) ? LoadPairedBlock : LoadBlock;
  const int64_t index = start / kBlockTokens, kv_head = s.tile.kv_head;
  load(cache.k, cache, *s.tile.sequence, index, kv_head, n, s.keys);
  load(cache.v, cache, *s.tile.sequence, index, kv_head, n, s.values);
  StepAll<kVectors>(s, FloatRows<kVectors>{s.keys, s.shape.vectors},
                    FloatRows<kVectors>{s.values, s.shape.vectors}, start);
}

// Reads a block in place, which is faster for few queries.
template <int kVectors>
void WalkInPlace(const Queries& s, int64_t start) {
  const KvBlocks& cache = s.args.cache;
  const int64_t block = s.tile.sequence->blocks[start / kBlockTokens];
  StepAll<kVectors>(s,
                    PairRows<kVectors>{
                        BlockRows<Bf16>(cache.k, cache, block, s.tile.kv_head)},
                    PairRows<kVectors>{
                        BlockRows<Bf16>(cache.v, cache, block, s.tile.kv_head)},
                    start);
}

template <int kVectors>
void WalkAll(const Queries& s, bool in_place, int64_t end) {
  const int64_t first =
      FirstSeen(s.args, s.tile.sequence->first_position + s.tile.begin);
  for (int64_t start = first / kBlockTokens * kBlockTokens; start < end;
       start += kBlockTokens) {
    if constexpr (kVectors >= 2) {
      if (in_place) {
        WalkInPlace<kVectors>(s, start);
        continue;
      }
    }
    WalkConverted<kVectors>(s, start, Min64(kBlockTokens, end - start));
  }
}

void Attention(const AttentionArgs& args, const AttentionTile& tile,
               float* scratch) {
  constexpr int64_t kFew = 4;
  const Queries s = Begin(args, tile, scratch);
  const bool in_place = IsPaired(args.cache) && s.count <= kFew;
  const int64_t end = tile.sequence->first_position + tile.end;
  WithVectors(s.shape.vectors,
              [&]<int kVectors>() { WalkAll<kVectors>(s, in_place, end); });
  for (int64_t i = 0; i < s.count; ++i) {
    StoreHead(args, s.heads[i], s.acc + i * s.shape.stride, s.RowOf(i),
              s.HeadOf(i));
  }
}

}  // namespace

void AddAttention(SimdTable& t) {
  t.attention_scratch = AttentionScratch;
  t.attention = Attention;
}

}  // namespace aha::ops::AHA_ISA
