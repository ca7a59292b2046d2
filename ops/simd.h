// Vectors of sixteen floats with the same arithmetic on AVX2 and AVX-512: each
// operation rounds alike on both, and sums fold the lanes in one fixed tree (l
// + l+8, then l+4, l+2, l+1).
//
// Only *_simd.cc include this. They are compiled once for each instruction set
// (see CMakeLists.txt), each time into the namespace AHA_ISA. Everything here
// has internal linkage, so that code for a better CPU cannot become part of the
// rest of the program.
#pragma once

#include <immintrin.h>

#include <cstdint>

#include "device/dtype.h"

namespace aha::ops::AHA_ISA {
namespace {

#define AHA_INLINE [[gnu::always_inline]] inline

constexpr int64_t kLanes = 16;

}  // namespace
}  // namespace aha::ops::AHA_ISA

#if defined(__AVX512F__)
#include "ops/simd_avx512.h"
#else
#include "ops/simd_avx2.h"
#endif

namespace aha::ops::AHA_ISA {
namespace {

AHA_INLINE F32x16 operator-(F32x16 a) { return F32x16::Set(0) - a; }

// c - a * b.
AHA_INLINE F32x16 Fnma(F32x16 a, F32x16 b, F32x16 c) { return Fma(-a, b, c); }

// Loads the first n lanes (n from 1 to 16) and sets the others to zero.
AHA_INLINE F32x16 LoadN(const float* p, int64_t n) {
  return n >= kLanes ? Load(p) : LoadPart(p, n);
}
AHA_INLINE F32x16 LoadN(const Bf16* p, int64_t n) {
  return n >= kLanes ? Load(p) : LoadPart(p, n);
}
AHA_INLINE void StoreN(float* p, F32x16 x, int64_t n) {
  n >= kLanes ? Store(p, x) : StorePart(p, x, n);
}
AHA_INLINE void StoreN(Bf16* p, F32x16 x, int64_t n) {
  n >= kLanes ? Store(p, x) : StorePart(p, x, n);
}

// Computes e^x within 1.1 ulp; 0 below -104, inf above 88.8, NaN for NaN.
AHA_INLINE F32x16 Exp(F32x16 x) {
  // Max and Min return their second operand if one is a NaN.
  x = Max(F32x16::Set(-104.f), x);
  x = Min(F32x16::Set(89.f), x);
  const F32x16 n = RoundToInt(x * F32x16::Set(1.44269504f));
  // ln 2 in two parts; n has at most 8 bits, so n * high is exact.
  F32x16 r = Fma(n, F32x16::Set(-0.693359375f), x);
  r = Fma(n, F32x16::Set(2.12194440e-4f), r);
  // Taylor coefficients up to r^7; since |r| <= 0.35, the rest is below 2^-27.
  F32x16 p = F32x16::Set(1.f / 5040);
  p = Fma(p, r, F32x16::Set(1.f / 720));
  p = Fma(p, r, F32x16::Set(1.f / 120));
  p = Fma(p, r, F32x16::Set(1.f / 24));
  p = Fma(p, r, F32x16::Set(1.f / 6));
  p = Fma(p, r, F32x16::Set(0.5f));
  p = Fma(p, r, F32x16::Set(1.f));
  p = Fma(p, r, F32x16::Set(1.f));
  return ScaleByPowerOf2(p, n);
}

// Computes 1 / (1 + e^-x).
AHA_INLINE F32x16 Sigmoid(F32x16 x) {
  const F32x16 one = F32x16::Set(1.f);
  return one / (one + Exp(-x));
}

}  // namespace
}  // namespace aha::ops::AHA_ISA
