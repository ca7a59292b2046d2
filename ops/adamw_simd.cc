// The kernels of adamw.h. Lanes never mix except in SumOfSquares, which folds
// them in one fixed tree.
#include "ops/simd.h"
#include "ops/simd_table.h"
#include "ops/split_master.h"

namespace aha::ops::AHA_ISA {
namespace {

template <class T>
void Update(const AdamWFactors& f, const int64_t* sums, float* master, float* m,
            float* v, T* weights, int64_t n) {
  const F32x16 beta1 = F32x16::Set(f.beta1), beta2 = F32x16::Set(f.beta2);
  const F32x16 gain1 = F32x16::Set(1.f - f.beta1);
  const F32x16 gain2 = F32x16::Set(1.f - f.beta2);
  const F32x16 decay = F32x16::Set(f.decay), step = F32x16::Set(f.step);
  const F32x16 inv_root2 = F32x16::Set(f.inv_root2);
  const F32x16 epsilon = F32x16::Set(f.epsilon);
  for (int64_t i = 0; i < n; i += kLanes) {
    const int64_t lanes = n - i;
    // LoadScaled reads kLanes sums, so the last few are copied and padded.
    int64_t part[kLanes] = {};
    const int64_t* s = sums + i;
    if (lanes < kLanes) {
      for (int64_t j = 0; j < lanes; ++j) part[j] = s[j];
      s = part;
    }
    const F32x16 g = LoadScaled(s, f.gradient_scale);
    const F32x16 m1 = Fma(gain1, g, beta1 * LoadN(m + i, lanes));
    const F32x16 v1 = Fma(gain2 * g, g, beta2 * LoadN(v + i, lanes));
    const F32x16 p = LoadN(master + i, lanes);
    const F32x16 root = Fma(Sqrt(v1), inv_root2, epsilon);
    const F32x16 p1 = Fnma(step, m1 / root, Fnma(decay, p, p));
    StoreN(m + i, m1, lanes);
    StoreN(v + i, v1, lanes);
    StoreN(master + i, p1, lanes);
    StoreN(weights + i, p1, lanes);
  }
}

void AdamW(const AdamWFactors& f, const int64_t* sums, float* master, float* m,
           float* v, void* weights, int64_t n, DType dtype) {
  WithType(dtype, [&]<class T>() {
    Update(f, sums, master, m, v, static_cast<T*>(weights), n);
  });
}

// The compiler vectorises the next two loops.
void JoinMasters(const Bf16* rounded, const uint16_t* low, float* v,
                 float* master, int64_t n) {
  for (int64_t i = 0; i < n; ++i) {
    const uint32_t bits = __builtin_bit_cast(uint32_t, v[i]);
    master[i] = JoinMasterWeight({rounded[i], low[i], bits >> 31 != 0});
    v[i] = __builtin_bit_cast(float, bits & 0x7fffffff);
  }
}

void SplitMasters(const float* master, Bf16* rounded, uint16_t* low, float* v,
                  int64_t n) {
  for (int64_t i = 0; i < n; ++i) {
    const SplitMaster split = SplitMasterWeight(master[i]);
    rounded[i] = split.rounded;
    low[i] = split.low;
    const uint32_t bits = __builtin_bit_cast(uint32_t, v[i]);
    v[i] = __builtin_bit_cast(float,
                              bits | (split.tie_went_up ? 0x80000000u : 0u));
  }
}

double SumOfSquares(const int64_t* sums, int64_t n) {
  double lanes[kLanes] = {};
  int64_t i = 0;
  for (; i + kLanes <= n; i += kLanes) {
    for (int64_t j = 0; j < kLanes; ++j) {
      const double x = static_cast<double>(sums[i + j]);
      lanes[j] += x * x;
    }
  }
  for (int64_t j = 0; i < n; ++i, ++j) {
    const double x = static_cast<double>(sums[i]);
    lanes[j] += x * x;
  }
  for (int64_t width = kLanes / 2; width > 0; width /= 2) {
    for (int64_t j = 0; j < width; ++j) lanes[j] += lanes[j + width];
  }
  return lanes[0];
}

}  // namespace

void AddAdamW(SimdTable& t) {
  t.adamw = AdamW;
  t.sum_of_squares = SumOfSquares;
  t.join_master = JoinMasters;
  t.split_master = SplitMasters;
}

}  // namespace aha::ops::AHA_ISA
