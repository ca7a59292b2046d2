#include <immintrin.h>

#include <algorithm>
#include <atomic>
#include <cmath>

#include "base/ceil_div.h"
#include "device/isa.h"
#include "ops/fixed_point.h"

namespace aha::ops {
namespace {

constexpr int64_t kTerms = 1 << 15;  // Elements of one task.

// True if every term and sum is in range.  Rounds to nearest even.
bool AddBlockPlain(const float* terms, int64_t* sums, int64_t count) {
  bool valid = true;
  for (int64_t i = 0; i < count; ++i) {
    const double term = terms[i];
    if (!(std::fabs(term) < kFixedPointBound)) return false;
    sums[i] += _mm_cvtsd_si64(_mm_set_sd(term * kFixedPointScale));
    valid &= -kFixedPointMaxSum < sums[i] && sums[i] < kFixedPointMaxSum;
  }
  return valid;
}

// Has the same result as AddBlockPlain, bit for bit: both conversions round to
// nearest even.
__attribute__((target("avx512f,avx512dq"))) bool AddBlockAvx512(
    const float* terms, int64_t* sums, int64_t count) {
  // Intrinsics with a mask of ones are used because GCC 12 warns that the
  // don't-care operand of the plain ones is uninitialized.
  constexpr __mmask8 kAll = 0xff;
  const __m512d scale = _mm512_set1_pd(kFixedPointScale);
  const __m512d limit = _mm512_set1_pd(kFixedPointBound);
  const __m512i high = _mm512_set1_epi64(kFixedPointMaxSum);
  __mmask8 valid = kAll;
  int64_t i = 0;
  for (; i + 8 <= count; i += 8) {
    const __m512d term =
        _mm512_maskz_cvtps_pd(kAll, _mm256_loadu_ps(terms + i));
    // False for NaN, too.
    valid &= _mm512_cmp_pd_mask(_mm512_abs_pd(term), limit, _CMP_LT_OQ);
    const __m512i sum = _mm512_add_epi64(
        _mm512_loadu_si512(sums + i),
        _mm512_maskz_cvtpd_epi64(kAll, _mm512_mul_pd(term, scale)));
    valid &= _mm512_cmplt_epi64_mask(_mm512_maskz_abs_epi64(kAll, sum), high);
    _mm512_storeu_si512(sums + i, sum);
  }
  return AddBlockPlain(terms + i, sums + i, count - i) && valid == kAll;
}

}  // namespace

bool AddFixedPoint(const CpuContext& context, const AddFixedPointArgs& a) {
  const auto add = RunsAvx512(CurrentIsa()) ? AddBlockAvx512 : AddBlockPlain;
  std::atomic<bool> valid = true;
  context.pool->For(CeilDiv(a.count, kTerms), [&](int64_t block) {
    const int64_t begin = block * kTerms;
    const int64_t count = std::min(kTerms, a.count - begin);
    if (!add(a.terms + begin, a.sums + begin, count)) valid = false;
  });
  return valid;
}

}  // namespace aha::ops
