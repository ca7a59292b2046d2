// The backward kernel of attention.h for one sequence and one KV head. It
// recomputes the probabilities from log_sum_exp, kGradRows queries at a time,
// and adds up dk and dv in a fixed order.
#include "ops/attention_simd.h"

namespace aha::ops::AHA_ISA {
namespace {

// Rounds up to whole blocks, so that Dot16 may read past the last key.
int64_t PaddedRows(int64_t rows) {
  return (rows + kBlockTokens - 1) / kBlockTokens * kBlockTokens;
}

// The number of queries whose probabilities are kept at the same time.
constexpr int64_t kGradRows = 32;

int64_t AttentionGradScratch(const AttentionGradArgs& args, int64_t rows) {
  const int64_t stride = ShapeOf(args).stride;
  return PaddedRows(rows) * (4 * stride + 2 * kGradRows) +
         (2 * kGradRows + 1) * stride;
}

// The state of one sequence and KV head; all arrays are fp32 and padded with
// zeros.
struct Grad {
  const AttentionGradArgs& args;
  const SequenceRows& sequence;
  int64_t kv_head;
  Shape shape;
  int64_t padded;  // Rows.
  float* k;        // [padded, stride], as v, dk and dv
  float* v = nullptr;
  float* dk = nullptr;
  float* dv = nullptr;
  float* p = nullptr;  // [kGradRows, padded], as ds
  float* ds = nullptr;
  float* q = nullptr;  // [kGradRows, stride], as dout
  float* dout = nullptr;
  float* dq = nullptr;  // [stride]
};

Grad BeginGrad(const AttentionGradArgs& args, const SequenceRows& sequence,
               int64_t kv_head, float* scratch) {
  const Shape shape = ShapeOf(args);
  const int64_t padded = PaddedRows(sequence.rows);
  const int64_t size = padded * shape.stride;
  Grad g{args, sequence, kv_head, shape, padded, scratch};
  g.v = g.k + size;
  g.dk = g.v + size;
  g.dv = g.dk + size;
  g.p = g.dv + size;
  g.ds = g.p + kGradRows * padded;
  g.q = g.ds + kGradRows * padded;
  g.dout = g.q + kGradRows * shape.stride;
  g.dq = g.dout + kGradRows * shape.stride;
  for (int64_t i = 0; i < 4 * size; ++i) scratch[i] = 0;
  for (int64_t start = 0; start < sequence.rows; start += kBlockTokens) {
    const int64_t n = Min64(kBlockTokens, sequence.rows - start);
    const int64_t index = start / kBlockTokens;
    LoadBlock(args.cache.k, args.cache, sequence, index, kv_head, n,
              g.k + start * shape.stride);
    LoadBlock(args.cache.v, args.cache, sequence, index, kv_head, n,
              g.v + start * shape.stride);
  }
  return g;
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

// Computes row i of the kept probabilities and score gradients, and dq, for the
// query at position n - 1.
template <int kVectors>
AHA_INLINE void QueryGrad(const Grad& g, int64_t i, int64_t n,
                          float log_sum_exp, float dot) {
  const int64_t vectors = g.shape.vectors, stride = g.shape.stride;
  const F32x16 scale = F32x16::Set(g.args.scale), zero = F32x16::Set(0);
  const F32x16 lse = F32x16::Set(log_sum_exp), dots = F32x16::Set(dot);
  float* p_row = g.p + i * g.padded;
  float* ds_row = g.ds + i * g.padded;
  const int64_t first = FirstSeen(g.args, n - 1);
  for (int64_t key = first / kLanes * kLanes; key < n; key += kLanes) {
    const FloatRows<kVectors> keys{g.k + key * stride, vectors};
    const FloatRows<kVectors> values{g.v + key * stride, vectors};
    const F32x16 score =
        Dot16<kVectors>(g.q + i * stride, keys, vectors) * scale;
    F32x16 p = KeepFirst(Exp(score - lse), n - key, zero);
    if (first > key) p = DropFirst(p, first - key, zero);
    const F32x16 dp = Dot16<kVectors>(g.dout + i * stride, values, vectors);
    Store(p_row + key, p);
    Store(ds_row + key, p * (dp - dots) * scale);
  }
  for (int64_t j = 0; j < stride; ++j) g.dq[j] = 0;
  Accumulate<kVectors>(Weights{ds_row + first},
                       FloatRows<kVectors>{g.k, vectors}.From(first), n - first,
                       g.dq, 1.f, vectors);
}

// Adds to dk and dv what queries first .. first+n-1 of one head contribute. The
// outer loop is over keys, so that the sums of a key stay in registers.
template <int kVectors>
AHA_INLINE void KeyGrads(const Grad& g, int64_t first, int64_t n) {
  const int64_t vectors = g.shape.vectors, stride = g.shape.stride;
  for (int64_t key = 0; key < first + n; ++key) {
    // the first query that sees the key, and the one after the last
    const int64_t i = key > first ? key - first : 0;
    const int64_t end =
        g.args.window > 0 ? Min64(n, key + g.args.window - first) : n;
    if (i >= end) continue;
    const int64_t at = i * g.padded + key;
    const FloatRows<kVectors> q{g.q + i * stride, vectors};
    const FloatRows<kVectors> dout{g.dout + i * stride, vectors};
    Accumulate<kVectors>(Weights{g.ds + at, g.padded}, q, end - i,
                         g.dk + key * stride, 1.f, vectors);
    Accumulate<kVectors>(Weights{g.p + at, g.padded}, dout, end - i,
                         g.dv + key * stride, 1.f, vectors);
  }
}

template <int kVectors>
void HeadGrad(const Grad& g, int64_t first, int64_t n, int64_t h) {
  const AttentionGradArgs& args = g.args;
  const int64_t dim = g.shape.dim, stride = g.shape.stride;
  const auto at = [&](int64_t i) {
    return ((g.sequence.first_row + first + i) * args.heads + h) * dim;
  };
  float dots[kGradRows];
  // This loop is separate from the arithmetic so that the latencies of the
  // loads overlap.
  for (int64_t i = 0; i < n; ++i) {
    const int64_t row = g.sequence.first_row + first + i;
    LoadPadded(args.q + row * args.row_stride + h * dim, g.q + i * stride, dim);
    LoadPadded(args.dout + at(i), g.dout + i * stride, dim);
    dots[i] = DotOutput(args, g.dout + i * stride, at(i), dim);
  }
  for (int64_t i = 0; i < n; ++i) {
    const int64_t row = g.sequence.first_row + first + i;
    QueryGrad<kVectors>(g, i, first + i + 1,
                        args.log_sum_exp[row * args.heads + h], dots[i]);
    float* dq = args.dq + row * args.row_stride + h * dim;
    for (int64_t j = 0; j < dim; j += kLanes) {
      StoreN(dq + j, Load(g.dq + j), dim - j);
    }
  }
  KeyGrads<kVectors>(g, first, n);
}

void AttentionGrad(const AttentionGradArgs& args, const SequenceRows& sequence,
                   int64_t kv_head, float* scratch) {
  const Grad g = BeginGrad(args, sequence, kv_head, scratch);
  const int64_t dim = g.shape.dim, stride = g.shape.stride;
  const int64_t group = g.shape.group;
  WithVectors(g.shape.vectors, [&]<int kVectors>() {
    for (int64_t first = 0; first < sequence.rows; first += kGradRows) {
      const int64_t n = Min64(kGradRows, sequence.rows - first);
      for (int64_t h = kv_head * group; h < (kv_head + 1) * group; ++h) {
        HeadGrad<kVectors>(g, first, n, h);
      }
    }
  });
  for (int64_t r = 0; r < sequence.rows; ++r) {
    const int64_t at =
        (sequence.first_row + r) * args.row_stride + kv_head * dim;
    for (int64_t j = 0; j < dim; j += kLanes) {
      StoreN(args.dk + at + j, Load(g.dk + r * stride + j), dim - j);
      StoreN(args.dv + at + j, Load(g.dv + r * stride + j), dim - j);
    }
  }
}

}  // namespace

void AddAttentionGrad(SimdTable& t) {
  t.attention_grad_scratch = AttentionGradScratch;
  t.attention_grad = AttentionGrad;
}

}  // namespace aha::ops::AHA_ISA
