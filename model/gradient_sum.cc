#include "model/gradient_sum.h"

#include <immintrin.h>

#include <algorithm>
#include <atomic>
#include <cmath>
#include <limits>
#include <utility>

#include "absl/strings/str_cat.h"
#include "device/buffer.h"
#include "device/isa.h"

namespace aha {
namespace {

constexpr int64_t kBlock = 1 << 15;
constexpr double kMaxTerm = GradientSum::kBound;
constexpr int64_t kMaxSum =
    static_cast<int64_t>(GradientSum::kBound * GradientSum::kScale);
constexpr int64_t kMaxRanks = 64;
static_assert(kMaxSum - 1 <= std::numeric_limits<int64_t>::max() / kMaxRanks);

// True if every term and sum is in range.  Rounds to nearest even.
bool AddBlockPlain(const float* gradient, int64_t* sums, int64_t count) {
  bool valid = true;
  for (int64_t i = 0; i < count; ++i) {
    const double term = gradient[i];
    if (!(std::fabs(term) < kMaxTerm)) return false;
    sums[i] += _mm_cvtsd_si64(_mm_set_sd(term * GradientSum::kScale));
    valid &= -kMaxSum < sums[i] && sums[i] < kMaxSum;
  }
  return valid;
}

// The same bits: both conversions round to nearest even.
__attribute__((target("avx512f,avx512dq"))) bool AddBlockAvx512(
    const float* gradient, int64_t* sums, int64_t count) {
  // With a mask of ones: GCC 12 takes the plain intrinsics' don't-care operand
  // for an uninitialized variable.
  constexpr __mmask8 kAll = 0xff;
  const __m512d scale = _mm512_set1_pd(GradientSum::kScale);
  const __m512d limit = _mm512_set1_pd(kMaxTerm);
  const __m512i high = _mm512_set1_epi64(kMaxSum);
  __mmask8 valid = kAll;
  int64_t i = 0;
  for (; i + 8 <= count; i += 8) {
    const __m512d term =
        _mm512_maskz_cvtps_pd(kAll, _mm256_loadu_ps(gradient + i));
    // False for NaN, too.
    valid &= _mm512_cmp_pd_mask(_mm512_abs_pd(term), limit, _CMP_LT_OQ);
    const __m512i sum = _mm512_add_epi64(
        _mm512_loadu_si512(sums + i),
        _mm512_maskz_cvtpd_epi64(kAll, _mm512_mul_pd(term, scale)));
    valid &= _mm512_cmplt_epi64_mask(_mm512_maskz_abs_epi64(kAll, sum), high);
    _mm512_storeu_si512(sums + i, sum);
  }
  return AddBlockPlain(gradient + i, sums + i, count - i) && valid == kAll;
}

absl::Status SumTooLarge(const TensorInfo& info) {
  return absl::OutOfRangeError(
      absl::StrCat("gradient of ", info.name, ": |sum| must stay below 2^21"));
}

}  // namespace

GradientSum::GradientSum(std::shared_ptr<const ParameterLayout> layout)
    : layout_(std::move(layout)) {
  const size_t count = static_cast<size_t>(layout_->count());
  sums_.reserve(count);
  AdviseHugePages(sums_.data(), count * sizeof(int64_t));
  sums_.resize(count);  // The first touch.
}

void GradientSum::Clear() { std::fill(sums_.begin(), sums_.end(), 0); }

absl::Status GradientSum::Add(const TensorInfo& info, const float* gradient,
                              ThreadPool& pool) {
  const auto add =
      ops::CurrentIsa() == ops::Isa::kAvx2 ? AddBlockPlain : AddBlockAvx512;
  int64_t* sums = sums_.data() + info.offset;
  std::atomic<bool> valid = true;
  pool.For((info.count + kBlock - 1) / kBlock, [&](int64_t block) {
    const int64_t begin = block * kBlock;
    const int64_t count = std::min(kBlock, info.count - begin);
    if (!add(gradient + begin, sums + begin, count)) valid = false;
  });
  if (valid) return absl::OkStatus();
  const auto bad = std::find_if(
      gradient, gradient + info.count,
      [](float term) { return !(std::fabs(double{term}) < kMaxTerm); });
  if (bad == gradient + info.count) {
    return SumTooLarge(info);
  }
  return absl::OutOfRangeError(
      absl::StrCat("gradient of ", info.name,
                   ": every term must be finite and below 2^21, found ", *bad,
                   " at element ", bad - gradient));
}

int64_t GradientSum::FirstTooLarge(int64_t begin, int64_t end) const {
  const absl::Span<const TensorInfo> tensors = layout_->tensors();
  for (size_t i = 0; i < tensors.size(); ++i) {
    const int64_t first = std::max(begin, tensors[i].offset);
    const int64_t last = std::min(end, tensors[i].offset + tensors[i].count);
    bool valid = true;
    for (int64_t at = first; at < last; ++at) {
      const int64_t sum = sums_[static_cast<size_t>(at)];
      valid &= -kMaxSum < sum && sum < kMaxSum;
    }
    if (!valid) return static_cast<int64_t>(i);
  }
  return -1;
}

absl::Status GradientSum::TooLarge(int64_t tensor) const {
  return SumTooLarge(layout_->tensors()[static_cast<size_t>(tensor)]);
}

absl::Status GradientSum::Check() const {
  const int64_t tensor = FirstTooLarge(0, layout_->count());
  return tensor < 0 ? absl::OkStatus() : TooLarge(tensor);
}

}  // namespace aha
