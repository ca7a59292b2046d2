#include "model/gradient_sum.h"

#include <algorithm>
#include <cmath>
#include <limits>
#include <utility>

#include "absl/strings/str_cat.h"
#include "device/buffer.h"
#include "ops/fixed_point.h"

namespace aha {
namespace {

constexpr double kMaxTerm = GradientSum::kBound;
constexpr int64_t kMaxRanks = 64;
static_assert(ops::kFixedPointMaxSum - 1 <=
              std::numeric_limits<int64_t>::max() / kMaxRanks);

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
                              const ops::Context& context) {
  if (ops::AddFixedPoint(context, {.terms = gradient,
                                   .sums = sums_.data() + info.offset,
                                   .count = info.count})) {
    return absl::OkStatus();
  }
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
      valid &= -ops::kFixedPointMaxSum < sum && sum < ops::kFixedPointMaxSum;
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
