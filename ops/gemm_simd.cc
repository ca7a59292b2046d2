// The products that are not oneDNN's. Both are row-invariant by construction.
//
//   GemmPanel      for shapes without a row-invariant oneDNN kernel: fp32, each
//                  element one chain of fused multiply-adds over k in ascending
//                  order
//   GemmPanelBf16  sums as oneDNN's kernel for AVX512-BF16 does, on any CPU
//                  (Isa::kEmulatedAvx512Bf16)
#include <algorithm>

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

// Sums a tile's products over k as the instruction VDPBF16PS does (Intel SDM
// volume 2, VDPBF16PS): of each pair of numbers it adds the odd one first and
// then the even one, and takes and gives denormals as zeros.  A product of two
// bf16 numbers is exact in fp32, so fusing it with the addition changes
// nothing. Not inlined, so that no operation moves over the change of the
// rounding mode.
template <int kRows>
[[gnu::noinline]] void SumPairs(const float* a, int64_t lda, const float* b,
                                int64_t k, F32x16* out) {
  F32x16 sum[kRows];
#pragma GCC unroll 6
  for (int r = 0; r < kRows; ++r) sum[r] = F32x16::Set(0);
  const auto step = [&](int64_t i) {
    const F32x16 row = Load(b + i * kLanes);
#pragma GCC unroll 6
    for (int r = 0; r < kRows; ++r) {
      sum[r] = Fma(F32x16::Set(a[r * lda + i]), row, sum[r]);
    }
  };
  int64_t i = 0;
  for (; i + 2 <= k; i += 2) {
    step(i + 1);
    step(i);
  }
  if (i < k) step(i);
#pragma GCC unroll 6
  for (int r = 0; r < kRows; ++r) out[r] = sum[r];
}

template <int kRows>
void PairRows(const float* a, int64_t lda, const float* b, float* y,
              int64_t ldy, int64_t k, int64_t n, int64_t chunk, bool add) {
  constexpr unsigned kFlushDenormals = 0x8040;  // FTZ and DAZ.
  F32x16 total[kRows], sum[kRows];
  // oneDNN adds chunks to each other outside of that instruction.
  for (int64_t begin = 0; begin < k; begin += chunk) {
    const unsigned mode = _mm_getcsr();
    _mm_setcsr(mode | kFlushDenormals);
    SumPairs<kRows>(a + begin, lda, b + begin * kLanes,
                    std::min(chunk, k - begin), sum);
    _mm_setcsr(mode);
    for (int r = 0; r < kRows; ++r) {
      total[r] = begin == 0 ? sum[r] : sum[r] + total[r];
    }
  }
  for (int r = 0; r < kRows; ++r) {
    float* out = y + r * ldy;
    if (add) total[r] = total[r] + LoadN(out, n);
    StoreN(out, total[r], n);
  }
}

void GemmPanelBf16(const float* a, int64_t lda, const float* b, float* y,
                   int64_t ldy, int64_t rows, int64_t k, int64_t n,
                   int64_t chunk, bool add) {
  constexpr int64_t kTile = 6;
  int64_t r = 0;
  for (; r + kTile <= rows; r += kTile) {
    PairRows<kTile>(a + r * lda, lda, b, y + r * ldy, ldy, k, n, chunk, add);
  }
  for (; r < rows; ++r) {
    PairRows<1>(a + r * lda, lda, b, y + r * ldy, ldy, k, n, chunk, add);
  }
}

}  // namespace

void AddGemm(SimdTable& t) {
  t.gemm_panel = GemmPanel;
  t.gemm_panel_bf16 = GemmPanelBf16;
}

}  // namespace aha::ops::AHA_ISA
