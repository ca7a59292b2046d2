#include <cstring>

#include "ops/expert_rows.h"
#include "ops/ref.h"

namespace aha::ops {

void GatherRows(const ReferenceContext&, const GatherRowsArgs& a) {
  for (int64_t i = 0; i < a.rows; ++i) {
    std::memcpy(
        static_cast<char*>(a.to) + i * a.row_bytes,
        static_cast<const char*>(a.from) + a.index[i] / a.divisor * a.row_bytes,
        static_cast<size_t>(a.row_bytes));
  }
}

void GatherWeighted(const ReferenceContext&, const GatherWeightedArgs& a) {
  for (int64_t s = 0; s < a.slots; ++s) {
    const float* x = a.x + a.pairs[s] / a.active * a.cols;
    const float weight = a.weights == nullptr ? 1 : a.weights[a.pairs[s]];
    for (int64_t c = 0; c < a.cols; ++c) {
      RefStore(a.to, s * a.cols + c, weight * x[c], a.dtype);
    }
  }
}

void CombineRows(const ReferenceContext&, const CombineRowsArgs& a) {
  for (int64_t r = 0; r < a.rows; ++r) {
    for (int64_t c = 0; c < a.cols; ++c) {
      double sum = 0;
      for (int64_t i = r * a.active; i < (r + 1) * a.active; ++i) {
        const double weight = a.weights == nullptr ? 1 : a.weights[i];
        sum += weight * a.x[a.slots[i] * a.cols + c];
      }
      a.y[r * a.cols + c] += static_cast<float>(sum);
    }
  }
}

void WeightGrad(const ReferenceContext&, const WeightGradArgs& a) {
  for (int64_t s = 0; s < a.slots; ++s) {
    double sum = 0;
    for (int64_t i = s * a.cols; i < (s + 1) * a.cols; ++i) {
      sum += a.dy[i] * RefLoad(a.x, i, a.dtype);
      a.dy[i] *= a.weights[a.pairs[s]];
    }
    a.dweights[a.pairs[s]] = static_cast<float>(sum);
  }
}

}  // namespace aha::ops
