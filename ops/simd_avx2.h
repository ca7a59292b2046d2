// F32x16 in two AVX2 registers. Only simd.h includes this.
#pragma once

namespace aha::ops::AHA_ISA {
namespace {

struct F32x16 {
  __m256 lo, hi;
  AHA_INLINE static F32x16 Set(float x) {
    return {_mm256_set1_ps(x), _mm256_set1_ps(x)};
  }
};

AHA_INLINE F32x16 operator+(F32x16 a, F32x16 b) {
  return {_mm256_add_ps(a.lo, b.lo), _mm256_add_ps(a.hi, b.hi)};
}
AHA_INLINE F32x16 operator-(F32x16 a, F32x16 b) {
  return {_mm256_sub_ps(a.lo, b.lo), _mm256_sub_ps(a.hi, b.hi)};
}
AHA_INLINE F32x16 operator*(F32x16 a, F32x16 b) {
  return {_mm256_mul_ps(a.lo, b.lo), _mm256_mul_ps(a.hi, b.hi)};
}
AHA_INLINE F32x16 operator/(F32x16 a, F32x16 b) {
  return {_mm256_div_ps(a.lo, b.lo), _mm256_div_ps(a.hi, b.hi)};
}
AHA_INLINE F32x16 Fma(F32x16 a, F32x16 b, F32x16 c) {
  return {_mm256_fmadd_ps(a.lo, b.lo, c.lo), _mm256_fmadd_ps(a.hi, b.hi, c.hi)};
}
AHA_INLINE F32x16 Sqrt(F32x16 a) {
  return {_mm256_sqrt_ps(a.lo), _mm256_sqrt_ps(a.hi)};
}
// Return the second operand if either is a NaN.
AHA_INLINE F32x16 Max(F32x16 a, F32x16 b) {
  return {_mm256_max_ps(a.lo, b.lo), _mm256_max_ps(a.hi, b.hi)};
}
AHA_INLINE F32x16 Min(F32x16 a, F32x16 b) {
  return {_mm256_min_ps(a.lo, b.lo), _mm256_min_ps(a.hi, b.hi)};
}
AHA_INLINE F32x16 RoundToInt(F32x16 a) {
  constexpr int kNearest = _MM_FROUND_TO_NEAREST_INT | _MM_FROUND_NO_EXC;
  return {_mm256_round_ps(a.lo, kNearest), _mm256_round_ps(a.hi, kNearest)};
}
AHA_INLINE __m256 PowerOf2(__m256i n) {
  return _mm256_castsi256_ps(
      _mm256_slli_epi32(_mm256_add_epi32(n, _mm256_set1_epi32(127)), 23));
}
AHA_INLINE __m256 ScaleByPowerOf2(__m256 a, __m256 n) {
  // This takes two steps, because 2^n itself may not be a normal number. The
  // first step is exact.
  const __m256i whole = _mm256_cvtps_epi32(n);
  const __m256i half = _mm256_srai_epi32(whole, 1);
  return _mm256_mul_ps(_mm256_mul_ps(a, PowerOf2(half)),
                       PowerOf2(_mm256_sub_epi32(whole, half)));
}
AHA_INLINE F32x16 ScaleByPowerOf2(F32x16 a, F32x16 n) {
  return {ScaleByPowerOf2(a.lo, n.lo), ScaleByPowerOf2(a.hi, n.hi)};
}

AHA_INLINE __m256i FirstLanes(int64_t n) {
  return _mm256_cmpgt_epi32(_mm256_set1_epi32(static_cast<int>(n)),
                            _mm256_setr_epi32(0, 1, 2, 3, 4, 5, 6, 7));
}
// Takes a in the first n lanes and b in the others.
AHA_INLINE F32x16 KeepFirst(F32x16 a, int64_t n, F32x16 b) {
  return {_mm256_blendv_ps(b.lo, a.lo, _mm256_castsi256_ps(FirstLanes(n))),
          _mm256_blendv_ps(b.hi, a.hi, _mm256_castsi256_ps(FirstLanes(n - 8)))};
}
// Returns the lowest lane in which a == b; 16 if there is none.
AHA_INLINE int FirstEqual(F32x16 a, F32x16 b) {
  const uint32_t lo = _mm256_movemask_ps(_mm256_cmp_ps(a.lo, b.lo, _CMP_EQ_OQ));
  const uint32_t hi = _mm256_movemask_ps(_mm256_cmp_ps(a.hi, b.hi, _CMP_EQ_OQ));
  return __builtin_ctz(lo | (hi << 8) | 0x10000u);
}

AHA_INLINE __m256 Widen(__m128i bits) {
  return _mm256_castsi256_ps(
      _mm256_slli_epi32(_mm256_cvtepu16_epi32(bits), 16));
}
// Does the same as device/dtype.h's ToBf16 in each lane.
AHA_INLINE __m128i Narrow(__m256 x) {
  const __m256i bits = _mm256_castps_si256(x);
  const __m256i odd =
      _mm256_and_si256(_mm256_srli_epi32(bits, 16), _mm256_set1_epi32(1));
  const __m256i rounded =
      _mm256_add_epi32(bits, _mm256_add_epi32(odd, _mm256_set1_epi32(0x7fff)));
  const __m256i quiet = _mm256_or_si256(bits, _mm256_set1_epi32(0x400000));
  const __m256i nan = _mm256_castps_si256(_mm256_cmp_ps(x, x, _CMP_UNORD_Q));
  const __m256i out =
      _mm256_srli_epi32(_mm256_blendv_epi8(rounded, quiet, nan), 16);
  return _mm_packus_epi32(_mm256_castsi256_si128(out),
                          _mm256_extracti128_si256(out, 1));
}

AHA_INLINE F32x16 Load(const float* p) {
  return {_mm256_loadu_ps(p), _mm256_loadu_ps(p + 8)};
}
AHA_INLINE F32x16 Load(const Bf16* p) {
  const __m128i* bits = reinterpret_cast<const __m128i*>(p);
  return {Widen(_mm_loadu_si128(bits)), Widen(_mm_loadu_si128(bits + 1))};
}
AHA_INLINE void Store(float* p, F32x16 x) {
  _mm256_storeu_ps(p, x.lo);
  _mm256_storeu_ps(p + 8, x.hi);
}
AHA_INLINE void Store(Bf16* p, F32x16 x) {
  __m128i* bits = reinterpret_cast<__m128i*>(p);
  _mm_storeu_si128(bits, Narrow(x.lo));
  _mm_storeu_si128(bits + 1, Narrow(x.hi));
}
template <class T>
AHA_INLINE F32x16 LoadPart(const T* p, int64_t n) {
  T part[16] = {};
  for (int64_t i = 0; i < n; ++i) part[i] = p[i];
  return Load(part);
}
template <class T>
AHA_INLINE void StorePart(T* p, F32x16 x, int64_t n) {
  T part[16];
  Store(part, x);
  for (int64_t i = 0; i < n; ++i) p[i] = part[i];
}

// Load the numbers of even and of odd index among 32 consecutive ones. This is
// cheaper than loading them in order: it takes one shift or mask each.
AHA_INLINE F32x16 LoadEven(const Bf16* p) {
  const __m256i* bits = reinterpret_cast<const __m256i*>(p);
  return {
      _mm256_castsi256_ps(_mm256_slli_epi32(_mm256_loadu_si256(bits), 16)),
      _mm256_castsi256_ps(_mm256_slli_epi32(_mm256_loadu_si256(bits + 1), 16))};
}
AHA_INLINE F32x16 LoadOdd(const Bf16* p) {
  const __m256i* bits = reinterpret_cast<const __m256i*>(p);
  const __m256i mask = _mm256_set1_epi32(static_cast<int>(0xffff0000));
  return {_mm256_castsi256_ps(_mm256_and_si256(_mm256_loadu_si256(bits), mask)),
          _mm256_castsi256_ps(
              _mm256_and_si256(_mm256_loadu_si256(bits + 1), mask))};
}
// Split (a, b) into its even and its odd numbers, and merge them again.
AHA_INLINE void Deinterleave(F32x16& a, F32x16& b) {
  float in[32], out[32];
  Store(in, a);
  Store(in + 16, b);
  for (int i = 0; i < 32; ++i) out[i / 2 + i % 2 * 16] = in[i];
  a = Load(out);
  b = Load(out + 16);
}
AHA_INLINE void Interleave(F32x16& a, F32x16& b) {
  float in[32], out[32];
  Store(in, a);
  Store(in + 16, b);
  for (int i = 0; i < 32; ++i) out[i] = in[i / 2 + i % 2 * 16];
  a = Load(out);
  b = Load(out + 16);
}

AHA_INLINE float Sum(F32x16 a) {
  const __m256 x = _mm256_add_ps(a.lo, a.hi);
  const __m128 y =
      _mm_add_ps(_mm256_castps256_ps128(x), _mm256_extractf128_ps(x, 1));
  const __m128 z = _mm_add_ps(y, _mm_movehl_ps(y, y));
  return _mm_cvtss_f32(_mm_add_ss(z, _mm_movehdup_ps(z)));
}
AHA_INLINE float MaxOf(F32x16 a) {
  const __m256 x = _mm256_max_ps(a.lo, a.hi);
  const __m128 y =
      _mm_max_ps(_mm256_castps256_ps128(x), _mm256_extractf128_ps(x, 1));
  const __m128 z = _mm_max_ps(y, _mm_movehl_ps(y, y));
  return _mm_cvtss_f32(_mm_max_ss(z, _mm_movehdup_ps(z)));
}

AHA_INLINE __m256 Sum8(const F32x16* v) {
  __m256 f[8], t[4], w[2];
#pragma GCC unroll 8
  for (int i = 0; i < 8; ++i) f[i] = _mm256_add_ps(v[i].lo, v[i].hi);
#pragma GCC unroll 4
  for (int i = 0; i < 4; ++i) {
    t[i] = _mm256_add_ps(_mm256_permute2f128_ps(f[i], f[i + 4], 0x20),
                         _mm256_permute2f128_ps(f[i], f[i + 4], 0x31));
  }
#pragma GCC unroll 2
  for (int i = 0; i < 2; ++i) {
    w[i] = _mm256_add_ps(_mm256_shuffle_ps(t[i], t[i + 2], 0x44),
                         _mm256_shuffle_ps(t[i], t[i + 2], 0xEE));
  }
  const __m256 z = _mm256_add_ps(_mm256_shuffle_ps(w[0], w[1], 0x88),
                                 _mm256_shuffle_ps(w[0], w[1], 0xDD));
  return _mm256_permute_ps(z, 0xD8);
}
// Lane i of the result is Sum(v[i]).
AHA_INLINE F32x16 Sum16(const F32x16 (&v)[16]) {
  return {Sum8(v), Sum8(v + 8)};
}

// Computes float(sums[i] * scale) with the product in double.
AHA_INLINE F32x16 LoadScaled(const int64_t* sums, double scale) {
  float out[16];
  for (int i = 0; i < 16; ++i) {
    out[i] = static_cast<float>(static_cast<double>(sums[i]) * scale);
  }
  return Load(out);
}

}  // namespace
}  // namespace aha::ops::AHA_ISA
