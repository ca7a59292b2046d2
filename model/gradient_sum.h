// A sum of gradients that does not depend on the order of its terms: what
// backpropagation adds to, and what the ranks sum before an update.
//
// Every term is rounded to a multiple of 2^-36 and added as a 64-bit integer.
// Integer addition is associative, so the sum is the same bits for any number
// of learner ranks, any assignment of groups to ranks and any algorithm of the
// collectives, NCCL's included.  The resolution, 1.5e-11 on the sum of a whole
// step, is far below that of the fp32 gradients.
//
// One bound, 2^21, holds for a term, for a rank's sum and, by Check, for the
// sum over the ranks; a value that reaches it or is not finite is an error that
// names the tensor.  2^21 * 2^36 * 64 ranks (the most that cluster.learners
// allows) = 2^63, so that the sum over the ranks cannot wrap, and a step whose
// sum is too large fails whatever the number of ranks.
#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "absl/types/span.h"
#include "device/context.h"
#include "model/parameters.h"
#include "ops/fixed_point.h"

namespace aha {

class GradientSum {
 public:
  static constexpr double kScale = ops::kFixedPointScale;
  static constexpr double kBound = ops::kFixedPointBound;

  explicit GradientSum(std::shared_ptr<const ParameterLayout> layout);

  void Clear();
  // sums[info.offset + i] += round(gradient[i] * kScale).
  // `gradient` is [info.count].  Thread-compatible.
  absl::Status Add(const TensorInfo& info, const float* gradient,
                   const ops::Context& context);

  // OUT_OF_RANGE, naming the tensor, if a sum over the ranks reaches kBound.
  absl::Status Check() const;
  // The same for elements [begin, end), which is all that a rank holds of the
  // sum over the ranks after a reduce-scatter: the first tensor with such a sum
  // as an index into layout().tensors(), or -1.
  int64_t FirstTooLarge(int64_t begin, int64_t end) const;
  // The error of that tensor.
  absl::Status TooLarge(int64_t tensor) const;

  // To be summed over the ranks, element by element.
  absl::Span<int64_t> sums() { return absl::MakeSpan(sums_); }
  absl::Span<const int64_t> sums() const { return sums_; }
  const ParameterLayout& layout() const { return *layout_; }

 private:
  std::shared_ptr<const ParameterLayout> layout_;
  std::vector<int64_t> sums_;
};

}  // namespace aha
