// The product for shapes without a row-invariant oneDNN kernel. It is fp32, and
// each element is one chain of fused multiply-adds over k in ascending order,
// so it is invariant by construction.
#include "ops/simd.h"
#include "ops/simd_table.h"

namespace aha::ops::AHA_ISA {
namespace {

template <int kRows>
AHA_INLINE void Rows(const float* a, int64_t lda, const float* b, float* y,
                     int64_t ldy, int64_t k, int64_t n, bool add) {
  F32x16 sum[kRows];
#pragma GCC unroll 6
  for (int r = 0; r < kRows; ++r) sum[r] = F32x16::Set(0);
  for (int64_t i = 0; i < k; ++i) {
    const F32x16 row = Load(b + i * kLanes);
#pragma GCC unroll 6
    for (int r = 0; r < kRows; ++r) {
      sum[r] = Fma(F32x16::Set(a[r * lda + i]), row, sum[r]);
    }
  }
#pragma GCC unroll 6
  for (int r = 0; r < kRows; ++r) {
    float* out = y + r * ldy;
    if (add) sum[r] = LoadN(out, n) + sum[r];
    StoreN(out, sum[r], n);
  }
}

void GemmPanel(const float* a, int64_t lda, const float* b, float* y,
               int64_t ldy, int64_t rows, int64_t k, int64_t n, bool add) {
  constexpr int64_t kTile = 6;
  int64_t r = 0;
  for (; r + kTile <= rows; r += kTile) {
    Rows<kTile>(a + r * lda, lda, b, y + r * ldy, ldy, k, n, add);
  }
  for (; r < rows; ++r) {
    Rows<1>(a + r * lda, lda, b, y + r * ldy, ldy, k, n, add);
  }
}

}  // namespace

void AddGemm(SimdTable& t) { t.gemm_panel = GemmPanel; }

}  // namespace aha::ops::AHA_ISA
