// Kernels of attention.h.
//
// The order of a score q . k: lane l sums the dimensions l, l+16, ... in
// ascending order, then the lanes fold by simd.h's tree.  The order of a
// weighted sum of values: keys ascending, one chain a dimension.
#include "ops/scalar_math.h"
#include "ops/simd.h"
#include "ops/simd_table.h"

namespace aha::ops::AHA_ISA {
namespace {

constexpr float kInfinity = __builtin_inff();

// Vectors a head: head_dim padded with zeros to a multiple of kLanes.
AHA_INLINE int64_t Vectors(int64_t head_dim) {
  return (head_dim + kLanes - 1) / kLanes;
}

// in [n] to fp32, padded with zeros to whole vectors.
template <class T>
AHA_INLINE void LoadPadded(const T* in, float* out, int64_t n) {
  for (int64_t i = 0; i < n; i += kLanes) {
    Store(out + i, LoadN(in + i, n - i));
  }
}

// Runs body with the number of vectors a head as a constant where it is a usual
// one, and 0 (use the variable) where not.
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

// The dot products of q with 16 keys that stand `vectors` vectors apart.
template <int kVectors>
AHA_INLINE F32x16 Dot16(const float* q, const float* keys, int64_t vectors) {
  if constexpr (kVectors != 0) vectors = kVectors;
  F32x16 sums[16];
#pragma GCC unroll 16
  for (int key = 0; key < 16; ++key) {
    const float* k = keys + key * vectors * kLanes;
    F32x16 sum = Load(q) * Load(k);
    if constexpr (kVectors != 0) {
#pragma GCC unroll 8
      for (int j = 1; j < kVectors; ++j) {
        sum = Fma(Load(q + j * kLanes), Load(k + j * kLanes), sum);
      }
    } else {
      for (int64_t j = 1; j < vectors; ++j) {
        sum = Fma(Load(q + j * kLanes), Load(k + j * kLanes), sum);
      }
    }
    sums[key] = sum;
  }
  return Sum16(sums);
}

// sum [vectors] += weights[key] * rows[key], keys ascending.
template <int kVectors>
AHA_INLINE void Accumulate(const float* weights, const float* rows, int64_t n,
                           float* sum, float rescale, int64_t vectors) {
  const F32x16 scale = F32x16::Set(rescale);
  if constexpr (kVectors != 0) {
    F32x16 acc[kVectors];
#pragma GCC unroll 8
    for (int j = 0; j < kVectors; ++j) acc[j] = Load(sum + j * kLanes) * scale;
    for (int64_t key = 0; key < n; ++key) {
      const F32x16 w = F32x16::Set(weights[key]);
#pragma GCC unroll 8
      for (int j = 0; j < kVectors; ++j) {
        acc[j] = Fma(w, Load(rows + (key * kVectors + j) * kLanes), acc[j]);
      }
    }
#pragma GCC unroll 8
    for (int j = 0; j < kVectors; ++j) Store(sum + j * kLanes, acc[j]);
  } else {
    for (int64_t j = 0; j < vectors; ++j) {
      F32x16 acc = Load(sum + j * kLanes) * scale;
      for (int64_t key = 0; key < n; ++key) {
        acc = Fma(F32x16::Set(weights[key]),
                  Load(rows + (key * vectors + j) * kLanes), acc);
      }
      Store(sum + j * kLanes, acc);
    }
  }
}

// y += w x over whole vectors.
AHA_INLINE void AddScaled(float w, const float* x, float* y, int64_t vectors) {
  const F32x16 weight = F32x16::Set(w);
  for (int64_t j = 0; j < vectors; ++j) {
    Store(y + j * kLanes,
          Fma(weight, Load(x + j * kLanes), Load(y + j * kLanes)));
  }
}

// One query head's online softmax.
struct Head {
  float max, sum;
};

// Walks one KV block of which the head sees the first n keys.
template <int kVectors>
AHA_INLINE void Step(const float* q, const float* keys, const float* values,
                     int64_t n, float scale, int64_t vectors, Head& head,
                     float* acc) {
  const F32x16 scales = F32x16::Set(scale), low = F32x16::Set(-kInfinity);
  const int64_t half = kLanes * vectors * kLanes;
  F32x16 s0 = KeepFirst(Dot16<kVectors>(q, keys, vectors) * scales, n, low);
  F32x16 s1 = low;
  if (n > kLanes) {
    s1 = KeepFirst(Dot16<kVectors>(q, keys + half, vectors) * scales,
                   n - kLanes, low);
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
  Accumulate<kVectors>(weights, values, n, acc, rescale[0], vectors);
}

int64_t Min64(int64_t a, int64_t b) { return a < b ? a : b; }

// A block's rows of one KV head, from key `begin` on.
template <class T>
const T* BlockRows(const void* cache, const KvBlocks& shape, int64_t block,
                   int64_t kv_head) {
  return static_cast<const T*>(cache) +
         (block * shape.kv_heads + kv_head) * kBlockTokens * shape.head_dim;
}

// n keys (or values) of block number `index` of the sequence, to fp32.
void LoadBlock(const void* cache, const KvBlocks& shape,
               const SequenceRows& sequence, int64_t index, int64_t kv_head,
               int64_t n, float* out) {
  const int64_t dim = shape.head_dim, stride = Vectors(dim) * kLanes;
  WithType(shape.dtype, [&]<class T>() {
    const T* rows = BlockRows<T>(cache, shape, sequence.blocks[index], kv_head);
    for (int64_t key = 0; key < n; ++key) {
      LoadPadded(rows + key * dim, out + key * stride, dim);
    }
  });
}

struct Shape {
  int64_t dim, vectors, stride, group;
};
template <class Args>
Shape ShapeOf(const Args& args) {
  const int64_t dim = args.cache.head_dim, vectors = Vectors(dim);
  return {dim, vectors, vectors * kLanes, args.heads / args.cache.kv_heads};
}

int64_t AttentionScratch(const AttentionArgs& args, int64_t rows) {
  const Shape shape = ShapeOf(args);
  return 2 * kBlockTokens * shape.stride +
         rows * shape.group * (2 * shape.stride + 2);
}

void StoreHead(const AttentionArgs& args, const Head& head, const float* acc,
               int64_t row, int64_t h) {
  const int64_t dim = args.cache.head_dim;
  const F32x16 sum = F32x16::Set(head.sum);
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

void Attention(const AttentionArgs& args, const AttentionTile& tile,
               float* scratch) {
  const SequenceRows& sequence = *tile.sequence;
  const Shape shape = ShapeOf(args);
  const int64_t queries = (tile.end - tile.begin) * shape.group;
  float* keys = scratch;
  float* values = keys + kBlockTokens * shape.stride;
  float* q = values + kBlockTokens * shape.stride;
  float* acc = q + queries * shape.stride;
  Head* heads = reinterpret_cast<Head*>(acc + queries * shape.stride);
  const auto row_of = [&](int64_t i) {
    return sequence.first_row + tile.begin + i / shape.group;
  };
  const auto head_of = [&](int64_t i) {
    return tile.kv_head * shape.group + i % shape.group;
  };
  for (int64_t i = 0; i < queries; ++i) {
    LoadPadded(args.q + row_of(i) * args.row_stride + head_of(i) * shape.dim,
               q + i * shape.stride, shape.dim);
    heads[i] = {-kInfinity, 0};
  }
  for (int64_t i = 0; i < queries * shape.stride; ++i) acc[i] = 0;

  const int64_t end = sequence.first_position + tile.end;  // Of the positions.
  for (int64_t start = 0; start < end; start += kBlockTokens) {
    const int64_t n = Min64(kBlockTokens, end - start);
    const int64_t index = start / kBlockTokens;
    LoadBlock(args.cache.k, args.cache, sequence, index, tile.kv_head, n, keys);
    LoadBlock(args.cache.v, args.cache, sequence, index, tile.kv_head, n,
              values);
    WithVectors(shape.vectors, [&]<int kVectors>() {
      for (int64_t i = 0; i < queries; ++i) {
        const int64_t position =
            sequence.first_position + tile.begin + i / shape.group;
        const int64_t seen = Min64(kBlockTokens, position + 1 - start);
        if (seen <= 0) continue;
        Step<kVectors>(q + i * shape.stride, keys, values, seen, args.scale,
                       shape.vectors, heads[i], acc + i * shape.stride);
      }
    });
  }
  for (int64_t i = 0; i < queries; ++i) {
    StoreHead(args, heads[i], acc + i * shape.stride, row_of(i), head_of(i));
  }
}

// Whole blocks, so that Dot16 may read past the last key.
int64_t PaddedRows(int64_t rows) {
  return (rows + kBlockTokens - 1) / kBlockTokens * kBlockTokens;
}

int64_t AttentionGradScratch(const AttentionGradArgs& args, int64_t rows) {
  const int64_t stride = ShapeOf(args).stride;
  return PaddedRows(rows) * (4 * stride + 2) + 3 * stride;
}

// The parts of a sequence's gradient for one KV head, all fp32 and padded.
struct GradScratch {
  float *k, *v, *dk, *dv;  // [padded rows, stride]
  float *p, *ds;           // [padded rows]
  float *q, *dout, *dq;    // [stride]
};

GradScratch Divide(float* scratch, int64_t rows, int64_t stride) {
  const int64_t padded = PaddedRows(rows), size = padded * stride;
  GradScratch s;
  s.k = scratch;
  s.v = s.k + size;
  s.dk = s.v + size;
  s.dv = s.dk + size;
  s.p = s.dv + size;
  s.ds = s.p + padded;
  s.q = s.ds + padded;
  s.dout = s.q + stride;
  s.dq = s.dout + stride;
  for (int64_t i = 0; i < 4 * size; ++i) scratch[i] = 0;
  return s;
}

float DotOutput(const AttentionGradArgs& args, const float* dout, int64_t at,
                int64_t dim) {
  F32x16 sum = F32x16::Set(0);
  WithType(args.cache.dtype, [&]<class T>() {
    const T* out = static_cast<const T*>(args.out) + at;
    for (int64_t i = 0; i < dim; i += kLanes) {
      sum = Fma(LoadN(out + i, dim - i), Load(dout + i), sum);
    }
  });
  return Sum(sum);
}

// dq of one query head, and what it adds to dk and dv of keys 0 .. n-1.
template <int kVectors>
AHA_INLINE void QueryGrad(const AttentionGradArgs& args, const GradScratch& s,
                          const Shape& shape, int64_t n, float log_sum_exp,
                          float dot) {
  const F32x16 scale = F32x16::Set(args.scale);
  const F32x16 lse = F32x16::Set(log_sum_exp), dots = F32x16::Set(dot);
  const F32x16 zero = F32x16::Set(0);
  for (int64_t key = 0; key < n; key += kLanes) {
    const int64_t at = key * shape.stride;
    const F32x16 score = Dot16<kVectors>(s.q, s.k + at, shape.vectors) * scale;
    const F32x16 p = KeepFirst(Exp(score - lse), n - key, zero);
    const F32x16 dp = Dot16<kVectors>(s.dout, s.v + at, shape.vectors);
    Store(s.p + key, p);
    Store(s.ds + key, p * (dp - dots) * scale);
  }
  for (int64_t j = 0; j < shape.stride; ++j) s.dq[j] = 0;
  Accumulate<kVectors>(s.ds, s.k, n, s.dq, 1.f, shape.vectors);
  const int64_t vectors = kVectors != 0 ? kVectors : shape.vectors;
  for (int64_t key = 0; key < n; ++key) {
    AddScaled(s.ds[key], s.q, s.dk + key * shape.stride, vectors);
    AddScaled(s.p[key], s.dout, s.dv + key * shape.stride, vectors);
  }
}

void AttentionGrad(const AttentionGradArgs& args, const SequenceRows& sequence,
                   int64_t kv_head, float* scratch) {
  const Shape shape = ShapeOf(args);
  const int64_t dim = shape.dim, stride = shape.stride;
  const GradScratch s = Divide(scratch, sequence.rows, stride);
  for (int64_t start = 0; start < sequence.rows; start += kBlockTokens) {
    const int64_t n = Min64(kBlockTokens, sequence.rows - start);
    const int64_t index = start / kBlockTokens;
    LoadBlock(args.cache.k, args.cache, sequence, index, kv_head, n,
              s.k + start * stride);
    LoadBlock(args.cache.v, args.cache, sequence, index, kv_head, n,
              s.v + start * stride);
  }
  WithVectors(shape.vectors, [&]<int kVectors>() {
    for (int64_t i = 0; i < sequence.rows * shape.group; ++i) {
      const int64_t r = i / shape.group, row = sequence.first_row + r;
      const int64_t h = kv_head * shape.group + i % shape.group;
      const int64_t at = (row * args.heads + h) * dim;
      LoadPadded(args.q + row * args.row_stride + h * dim, s.q, dim);
      LoadPadded(args.dout + at, s.dout, dim);
      QueryGrad<kVectors>(args, s, shape, r + 1,
                          args.log_sum_exp[row * args.heads + h],
                          DotOutput(args, s.dout, at, dim));
      float* dq = args.dq + row * args.row_stride + h * dim;
      for (int64_t j = 0; j < dim; ++j) dq[j] = s.dq[j];
    }
  });
  for (int64_t r = 0; r < sequence.rows; ++r) {
    const int64_t at =
        (sequence.first_row + r) * args.row_stride + kv_head * dim;
    for (int64_t j = 0; j < dim; ++j) args.dk[at + j] = s.dk[r * stride + j];
    for (int64_t j = 0; j < dim; ++j) args.dv[at + j] = s.dv[r * stride + j];
  }
}

}  // namespace

void AddAttention(SimdTable& t) {
  t.attention_scratch = AttentionScratch;
  t.attention = Attention;
  t.attention_grad_scratch = AttentionGradScratch;
  t.attention_grad = AttentionGrad;
}

}  // namespace aha::ops::AHA_ISA
