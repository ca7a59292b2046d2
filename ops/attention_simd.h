// Helpers that the forward and the backward kernels of attention share.
//
// The order of summation of a score q . k: lane l sums every 16th number of a
// row in ascending order, and then simd.h's tree folds the lanes. A weighted
// sum of values takes the keys in ascending order in kChains interleaved
// chains, which are added at the end.
//
// Wherever the forward pass reads a bf16 row whose length is a multiple of 32,
// converted or not, it takes the numbers in the order "even, odd" (LoadEven,
// LoadOdd). One order means the same bits.
#pragma once

#include "ops/simd.h"
#include "ops/simd_table.h"

namespace aha::ops::AHA_ISA {
namespace {

// Number of vectors of a head: head_dim is padded with zeros to a multiple of
// kLanes.
AHA_INLINE int64_t Vectors(int64_t head_dim) {
  return (head_dim + kLanes - 1) / kLanes;
}

// Converts in[n] to fp32 and pads it with zeros to whole vectors.
template <class T>
AHA_INLINE void LoadPadded(const T* in, float* out, int64_t n) {
  for (int64_t i = 0; i < n; i += kLanes) {
    Store(out + i, LoadN(in + i, n - i));
  }
}

// Calls body with the number of vectors of a head as a constant if it is a
// common one, and with 0 (use the variable) otherwise.
template <class F>
AHA_INLINE void WithVectors(int64_t vectors, F&& body) {
  switch (vectors) {
    case 1:
      return body.template operator()<1>();
    case 2:
      return body.template operator()<2>();
    case 4:
      return body.template operator()<4>();
    case 8:
      return body.template operator()<8>();
    default:
      return body.template operator()<0>();
  }
}

// Rows of whole fp32 vectors, `vectors` in each row (kVectors, if that is not
// 0).
template <int kVectors>
struct FloatRows {
  const float* data;
  int64_t vectors;
  AHA_INLINE F32x16 At(int64_t row, int64_t j) const {
    const int64_t width = kVectors != 0 ? kVectors : vectors;
    return Load(data + (row * width + j) * kLanes);
  }
  AHA_INLINE FloatRows From(int64_t row) const {
    return {data + row * (kVectors != 0 ? kVectors : vectors) * kLanes,
            vectors};
  }
};

// Rows of bf16 as the cache holds them; vectors 2i and 2i+1 are the even and
// the odd numbers of 32 consecutive ones.
template <int kVectors>
struct PairRows {
  const Bf16* data;
  AHA_INLINE F32x16 At(int64_t row, int64_t j) const {
    const Bf16* p = data + (row * kVectors + j / 2 * 2) * kLanes;
    return j % 2 == 0 ? LoadEven(p) : LoadOdd(p);
  }
  AHA_INLINE PairRows From(int64_t row) const {
    return {data + row * kVectors * kLanes};
  }
};

// Returns the dot products of q with rows 0 to 15.
template <int kVectors, class Rows>
AHA_INLINE F32x16 Dot16(const float* q, Rows rows, int64_t vectors) {
  F32x16 sums[16];
#pragma GCC unroll 16
  for (int row = 0; row < 16; ++row) {
    F32x16 sum = Load(q) * rows.At(row, 0);
    if constexpr (kVectors != 0) {
#pragma GCC unroll 8
      for (int j = 1; j < kVectors; ++j) {
        sum = Fma(Load(q + j * kLanes), rows.At(row, j), sum);
      }
    } else {
      for (int64_t j = 1; j < vectors; ++j) {
        sum = Fma(Load(q + j * kLanes), rows.At(row, j), sum);
      }
    }
    sums[row] = sum;
  }
  return Sum16(sums);
}

// The weights of consecutive rows are `step` floats apart.
struct Weights {
  const float* data;
  int64_t step = 1;
};

// Computes sum = sum * rescale + the weighted rows 0 to n-1, for kWidth vectors
// from j on.
template <int kWidth, class Rows>
AHA_INLINE void AccumulateSome(Weights weights, Rows rows, int64_t n,
                               float* sum, float rescale, int64_t j) {
  // These are enough chains to hide the latency of an addition.
  constexpr int kChains = kWidth >= 4 ? 2 : 4;
  F32x16 acc[kChains][kWidth];
#pragma GCC unroll 4
  for (int c = 0; c < kChains; ++c) {
#pragma GCC unroll 8
    for (int v = 0; v < kWidth; ++v) acc[c][v] = F32x16::Set(0);
  }
  const auto add = [&](int64_t row, int c) {
    const F32x16 w = F32x16::Set(weights.data[row * weights.step]);
#pragma GCC unroll 8
    for (int v = 0; v < kWidth; ++v) {
      acc[c][v] = Fma(w, rows.At(row, j + v), acc[c][v]);
    }
  };
  int64_t row = 0;
  for (; row + kChains <= n; row += kChains) {
#pragma GCC unroll 4
    for (int c = 0; c < kChains; ++c) add(row + c, c);
  }
#pragma GCC unroll 3
  for (int c = 0; c < kChains - 1; ++c) {
    if (row + c < n) add(row + c, c);
  }
  const F32x16 scale = F32x16::Set(rescale);
#pragma GCC unroll 8
  for (int v = 0; v < kWidth; ++v) {
    F32x16 total = acc[0][v] + acc[1][v];
    if constexpr (kChains == 4) total = total + (acc[2][v] + acc[3][v]);
    float* out = sum + (j + v) * kLanes;
    Store(out, Fma(Load(out), scale, total));
  }
}

template <int kVectors, class Rows>
AHA_INLINE void Accumulate(Weights weights, Rows rows, int64_t n, float* sum,
                           float rescale, int64_t vectors) {
  if constexpr (kVectors != 0) {
    AccumulateSome<kVectors>(weights, rows, n, sum, rescale, 0);
  } else {
    for (int64_t j = 0; j < vectors; ++j) {
      AccumulateSome<1>(weights, rows, n, sum, rescale, j);
    }
  }
}

AHA_INLINE int64_t Min64(int64_t a, int64_t b) { return a < b ? a : b; }

// Returns the rows of one KV head in a block.
template <class T>
const T* BlockRows(const void* cache, const KvBlocks& shape, int64_t block,
                   int64_t kv_head) {
  return static_cast<const T*>(cache) +
         (block * shape.kv_heads + kv_head) * kBlockTokens * shape.head_dim;
}

// Converts n keys (or values) of block number `index` of the sequence to fp32.
[[maybe_unused]] void LoadBlock(const void* cache, const KvBlocks& shape,
                                const SequenceRows& sequence, int64_t index,
                                int64_t kv_head, int64_t n, float* out) {
  const int64_t dim = shape.head_dim, stride = Vectors(dim) * kLanes;
  WithType(shape.dtype, [&]<class T>() {
    const T* rows = BlockRows<T>(cache, shape, sequence.blocks[index], kv_head);
    for (int64_t key = 0; key < n; ++key) {
      LoadPadded(rows + key * dim, out + key * stride, dim);
    }
  });
}

// Returns the first position that a query at `position` sees (attention.h).
template <class Args>
AHA_INLINE int64_t FirstSeen(const Args& args, int64_t position) {
  return args.window > 0 && position >= args.window ? position - args.window + 1
                                                    : 0;
}

// Takes b in the first n lanes, of which there may be fewer than none or more
// than all, and a in the others.
AHA_INLINE F32x16 DropFirst(F32x16 a, int64_t n, F32x16 b) {
  return KeepFirst(b, n < 0 ? 0 : Min64(n, kLanes), a);
}

struct Shape {
  int64_t dim, vectors, stride, group;
};
template <class Args>
Shape ShapeOf(const Args& args) {
  const int64_t dim = args.cache.head_dim, vectors = Vectors(dim);
  return {dim, vectors, vectors * kLanes, args.heads / args.cache.kv_heads};
}

}  // namespace
}  // namespace aha::ops::AHA_ISA
