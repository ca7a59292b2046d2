// F32x16 in one AVX-512 register. Only simd.h includes this.
#pragma once

namespace aha::ops::AHA_ISA {
namespace {

struct F32x16 {
  __m512 v;
  AHA_INLINE static F32x16 Set(float x) { return {_mm512_set1_ps(x)}; }
};

AHA_INLINE F32x16 operator+(F32x16 a, F32x16 b) {
  return {_mm512_add_ps(a.v, b.v)};
}
AHA_INLINE F32x16 operator-(F32x16 a, F32x16 b) {
  return {_mm512_sub_ps(a.v, b.v)};
}
AHA_INLINE F32x16 operator*(F32x16 a, F32x16 b) {
  return {_mm512_mul_ps(a.v, b.v)};
}
AHA_INLINE F32x16 operator/(F32x16 a, F32x16 b) {
  return {_mm512_div_ps(a.v, b.v)};
}
AHA_INLINE F32x16 Fma(F32x16 a, F32x16 b, F32x16 c) {
  return {_mm512_fmadd_ps(a.v, b.v, c.v)};
}
AHA_INLINE F32x16 Sqrt(F32x16 a) { return {_mm512_sqrt_ps(a.v)}; }
// Return the second operand if either is a NaN.
AHA_INLINE F32x16 Max(F32x16 a, F32x16 b) { return {_mm512_max_ps(a.v, b.v)}; }
AHA_INLINE F32x16 Min(F32x16 a, F32x16 b) { return {_mm512_min_ps(a.v, b.v)}; }
AHA_INLINE F32x16 RoundToInt(F32x16 a) {
  return {_mm512_roundscale_ps(a.v, _MM_FROUND_TO_NEAREST_INT)};
}
AHA_INLINE F32x16 ScaleByPowerOf2(F32x16 a, F32x16 n) {
  return {_mm512_scalef_ps(a.v, n.v)};
}

AHA_INLINE __mmask16 FirstLanes(int64_t n) {
  return n >= 16 ? 0xffff : static_cast<__mmask16>((1u << n) - 1);
}
// Takes a in the first n lanes and b in the others.
AHA_INLINE F32x16 KeepFirst(F32x16 a, int64_t n, F32x16 b) {
  return {_mm512_mask_mov_ps(b.v, FirstLanes(n), a.v)};
}
// Returns the lowest lane in which a == b; 16 if there is none.
AHA_INLINE int FirstEqual(F32x16 a, F32x16 b) {
  const uint32_t mask = _mm512_cmp_ps_mask(a.v, b.v, _CMP_EQ_OQ);
  return __builtin_ctz(mask | 0x10000u);
}

AHA_INLINE F32x16 Widen(__m256i bits) {
  return {
      _mm512_castsi512_ps(_mm512_slli_epi32(_mm512_cvtepu16_epi32(bits), 16))};
}
// Does the same as device/dtype.h's ToBf16 in each lane. vcvtneps2bf16 would
// flush denormals and is missing on older CPUs.
AHA_INLINE __m256i Narrow(F32x16 x) {
  const __m512i bits = _mm512_castps_si512(x.v);
  const __m512i odd =
      _mm512_and_si512(_mm512_srli_epi32(bits, 16), _mm512_set1_epi32(1));
  const __m512i rounded =
      _mm512_add_epi32(bits, _mm512_add_epi32(odd, _mm512_set1_epi32(0x7fff)));
  const __m512i quiet = _mm512_or_si512(bits, _mm512_set1_epi32(0x400000));
  const __mmask16 nan = _mm512_cmp_ps_mask(x.v, x.v, _CMP_UNORD_Q);
  return _mm512_cvtepi32_epi16(
      _mm512_srli_epi32(_mm512_mask_mov_epi32(rounded, nan, quiet), 16));
}

// Load the numbers of even and of odd index among 32 consecutive ones. This is
// cheaper than loading them in order: it takes one shift or mask each.
AHA_INLINE F32x16 LoadEven(const Bf16* p) {
  return {_mm512_castsi512_ps(_mm512_slli_epi32(_mm512_loadu_si512(p), 16))};
}
AHA_INLINE F32x16 LoadOdd(const Bf16* p) {
  return {_mm512_castsi512_ps(_mm512_and_si512(
      _mm512_loadu_si512(p), _mm512_set1_epi32(static_cast<int>(0xffff0000))))};
}
// Split (a, b) into its even and its odd numbers, and merge them again.
AHA_INLINE void Deinterleave(F32x16& a, F32x16& b) {
  const __m512i even = _mm512_setr_epi32(0, 2, 4, 6, 8, 10, 12, 14, 16, 18, 20,
                                         22, 24, 26, 28, 30);
  const __m512i odd = _mm512_add_epi32(even, _mm512_set1_epi32(1));
  const __m512 x = _mm512_permutex2var_ps(a.v, even, b.v);
  b.v = _mm512_permutex2var_ps(a.v, odd, b.v);
  a.v = x;
}
AHA_INLINE void Interleave(F32x16& a, F32x16& b) {
  const __m512i low =
      _mm512_setr_epi32(0, 16, 1, 17, 2, 18, 3, 19, 4, 20, 5, 21, 6, 22, 7, 23);
  const __m512i high = _mm512_add_epi32(low, _mm512_set1_epi32(8));
  const __m512 x = _mm512_permutex2var_ps(a.v, low, b.v);
  b.v = _mm512_permutex2var_ps(a.v, high, b.v);
  a.v = x;
}

AHA_INLINE F32x16 Load(const float* p) { return {_mm512_loadu_ps(p)}; }
AHA_INLINE F32x16 Load(const Bf16* p) {
  return Widen(_mm256_loadu_si256(reinterpret_cast<const __m256i*>(p)));
}
AHA_INLINE void Store(float* p, F32x16 x) { _mm512_storeu_ps(p, x.v); }
AHA_INLINE void Store(Bf16* p, F32x16 x) {
  _mm256_storeu_si256(reinterpret_cast<__m256i*>(p), Narrow(x));
}
AHA_INLINE F32x16 LoadPart(const float* p, int64_t n) {
  return {_mm512_maskz_loadu_ps(FirstLanes(n), p)};
}
AHA_INLINE F32x16 LoadPart(const Bf16* p, int64_t n) {
  return Widen(_mm256_maskz_loadu_epi16(FirstLanes(n), p));
}
AHA_INLINE void StorePart(float* p, F32x16 x, int64_t n) {
  _mm512_mask_storeu_ps(p, FirstLanes(n), x.v);
}
AHA_INLINE void StorePart(Bf16* p, F32x16 x, int64_t n) {
  _mm256_mask_storeu_epi16(p, FirstLanes(n), Narrow(x));
}

AHA_INLINE float Sum(F32x16 a) {
  const __m256 x = _mm256_add_ps(_mm512_castps512_ps256(a.v),
                                 _mm512_extractf32x8_ps(a.v, 1));
  const __m128 y =
      _mm_add_ps(_mm256_castps256_ps128(x), _mm256_extractf128_ps(x, 1));
  const __m128 z = _mm_add_ps(y, _mm_movehl_ps(y, y));
  return _mm_cvtss_f32(_mm_add_ss(z, _mm_movehdup_ps(z)));
}
AHA_INLINE float MaxOf(F32x16 a) {
  const __m256 x = _mm256_max_ps(_mm512_castps512_ps256(a.v),
                                 _mm512_extractf32x8_ps(a.v, 1));
  const __m128 y =
      _mm_max_ps(_mm256_castps256_ps128(x), _mm256_extractf128_ps(x, 1));
  const __m128 z = _mm_max_ps(y, _mm_movehl_ps(y, y));
  return _mm_cvtss_f32(_mm_max_ss(z, _mm_movehdup_ps(z)));
}

// Lane i of the result is Sum(v[i]).
AHA_INLINE F32x16 Sum16(const F32x16 (&v)[16]) {
  __m512 t[8], u[4], w[2];
#pragma GCC unroll 8
  for (int i = 0; i < 8; ++i) {
    t[i] = _mm512_add_ps(_mm512_shuffle_f32x4(v[i].v, v[i + 8].v, 0x44),
                         _mm512_shuffle_f32x4(v[i].v, v[i + 8].v, 0xEE));
  }
#pragma GCC unroll 4
  for (int i = 0; i < 4; ++i) {
    u[i] = _mm512_add_ps(_mm512_shuffle_f32x4(t[i], t[i + 4], 0x88),
                         _mm512_shuffle_f32x4(t[i], t[i + 4], 0xDD));
  }
#pragma GCC unroll 2
  for (int i = 0; i < 2; ++i) {
    w[i] = _mm512_add_ps(_mm512_shuffle_ps(u[i], u[i + 2], 0x44),
                         _mm512_shuffle_ps(u[i], u[i + 2], 0xEE));
  }
  const __m512 z = _mm512_add_ps(_mm512_shuffle_ps(w[0], w[1], 0x88),
                                 _mm512_shuffle_ps(w[0], w[1], 0xDD));
  const __m512i order =
      _mm512_setr_epi32(0, 2, 1, 3, 8, 10, 9, 11, 4, 6, 5, 7, 12, 14, 13, 15);
  return {_mm512_permutexvar_ps(order, z)};
}

// Computes float(sums[i] * scale) with the product in double.
AHA_INLINE F32x16 LoadScaled(const int64_t* sums, double scale) {
  const __m512d s = _mm512_set1_pd(scale);
  const __m256 low = _mm512_cvtpd_ps(
      _mm512_mul_pd(_mm512_cvtepi64_pd(_mm512_loadu_si512(sums)), s));
  const __m256 high = _mm512_cvtpd_ps(
      _mm512_mul_pd(_mm512_cvtepi64_pd(_mm512_loadu_si512(sums + 8)), s));
  return {_mm512_insertf32x8(_mm512_castps256_ps512(low), high, 1)};
}

}  // namespace
}  // namespace aha::ops::AHA_ISA
