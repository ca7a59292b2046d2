// The kernels of head.h for the logits of one row in one tile of the
// vocabulary.
#include "ops/simd.h"
#include "ops/simd_table.h"

namespace aha::ops::AHA_ISA {
namespace {

constexpr float kInfinity = __builtin_inff();

void ScaleLogits(float* l, float inv_temperature, int64_t n) {
  const F32x16 factor = F32x16::Set(inv_temperature);
  for (int64_t i = 0; i < n; i += kLanes) {
    StoreN(l + i, LoadN(l + i, n - i) * factor, n - i);
  }
}

TileSums SumTile(const float* l, int64_t n, float* exps) {
  const F32x16 zero = F32x16::Set(0), low = F32x16::Set(-kInfinity);
  F32x16 max = low;
  for (int64_t i = 0; i < n; i += kLanes) {
    max = Max(KeepFirst(LoadN(l + i, n - i), n - i, low), max);
  }
  const float top = MaxOf(max);
  const F32x16 tops = F32x16::Set(top);
  F32x16 sum = zero, weighted = zero;
  for (int64_t i = 0; i < n; i += kLanes) {
    const F32x16 d = KeepFirst(LoadN(l + i, n - i) - tops, n - i, zero);
    const F32x16 e = KeepFirst(Exp(d), n - i, zero);
    sum = sum + e;
    weighted = Fma(e, d, weighted);
    if (exps != nullptr) StoreN(exps + i, e, n - i);
  }
  return {top, Sum(sum), Sum(weighted)};
}

// Returns the first index at which the running sum exceeds uniform * total. The
// sum has two levels: runs of 64 in order, then the numbers of one run in
// order.
int64_t Pick(const float* exps, int64_t n, float uniform) {
  constexpr int64_t kGroup = 64, kMaxGroups = 16;
  float mass[kMaxGroups];
  float total = 0;
  int64_t groups = 0;
  for (int64_t i = 0; i < n; i += kGroup) {
    const int64_t end = i + kGroup < n ? i + kGroup : n;
    F32x16 sum = F32x16::Set(0);
    for (int64_t j = i; j < end; j += kLanes) {
      sum = sum + LoadN(exps + j, end - j);
    }
    mass[groups] = Sum(sum);
    total += mass[groups++];
  }
  const float goal = uniform * total;
  float passed = 0;
  int64_t g = 0;
  while (g + 1 < groups && passed + mass[g] <= goal) passed += mass[g++];
  const int64_t end = (g + 1) * kGroup < n ? (g + 1) * kGroup : n;
  // has positive mass; returned if rounding lets all pass
  int64_t last = g * kGroup;
  for (int64_t i = g * kGroup; i < end; ++i) {
    if (exps[i] > 0) last = i;
    passed += exps[i];
    if (passed > goal) return i;
  }
  return last;
}

int64_t FirstEqualTo(const float* l, int64_t n, float value) {
  const F32x16 values = F32x16::Set(value);
  for (int64_t i = 0; i < n; i += kLanes) {
    const int lane = FirstEqual(LoadN(l + i, n - i), values);
    if (lane < n - i && lane < kLanes) return i + lane;
  }
  return 0;
}

void Dlogits(const float* l, float inv_temperature, float log_sum_exp,
             float factor, int64_t target, void* dl, int64_t n, DType dtype) {
  const F32x16 inv = F32x16::Set(inv_temperature);
  const F32x16 lse = F32x16::Set(log_sum_exp);
  const F32x16 minus = F32x16::Set(-factor);
  WithType(dtype, [&]<class T>() {
    T* out = static_cast<T*>(dl);
    for (int64_t i = 0; i < n; i += kLanes) {
      const F32x16 p = Exp(LoadN(l + i, n - i) * inv - lse);
      StoreN(out + i, p * minus, n - i);
    }
    if (target >= 0 && target < n) {
      float d[kLanes];
      const F32x16 p = Exp(F32x16::Set(l[target]) * inv - lse);
      Store(d, (p - F32x16::Set(1.f)) * minus);
      StoreN(out + target, Load(d), 1);
    }
  });
}

}  // namespace

void AddHead(SimdTable& t) {
  t.scale_logits = ScaleLogits;
  t.sum_tile = SumTile;
  t.pick = Pick;
  t.first_equal = FirstEqualTo;
  t.dlogits = Dlogits;
}

}  // namespace aha::ops::AHA_ISA
