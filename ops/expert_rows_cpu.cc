#include <algorithm>
#include <cstring>

#include "ops/expert_rows.h"
#include "ops/rows.h"
#include "ops/scratch.h"
#include "ops/simd_table.h"

namespace aha::ops {

void GatherRows(const CpuContext& context, const GatherRowsArgs& a) {
  ForRows(context, a.rows, a.row_bytes / 4, [&](int64_t i) {
    std::memcpy(
        static_cast<char*>(a.to) + i * a.row_bytes,
        static_cast<const char*>(a.from) + a.index[i] / a.divisor * a.row_bytes,
        static_cast<size_t>(a.row_bytes));
  });
}

void GatherWeighted(const CpuContext& context, const GatherWeightedArgs& a) {
  const int64_t size = static_cast<int64_t>(SizeOf(a.dtype));
  ForRows(context, a.slots, 2 * a.cols, [&](int64_t s) {
    const float* x = a.x + a.pairs[s] / a.active * a.cols;
    if (a.weights != nullptr) {
      float* scaled = ThreadScratch(0, a.cols);
      std::copy_n(x, a.cols, scaled);
      Simd().scale(a.weights[a.pairs[s]], scaled, a.cols);
      x = scaled;
    }
    char* to = static_cast<char*>(a.to) + s * a.cols * size;
    if (a.dtype == DType::kF32) {
      std::memcpy(to, x, static_cast<size_t>(a.cols) * sizeof(float));
    } else {
      Simd().round(x, reinterpret_cast<Bf16*>(to), a.cols);
    }
  });
}

void CombineRows(const CpuContext& context, const CombineRowsArgs& a) {
  ForRows(context, a.rows, 2 * a.active * a.cols, [&](int64_t r) {
    float* sum = ThreadScratch(0, a.cols);
    std::fill_n(sum, a.cols, 0.f);
    for (int64_t i = r * a.active; i < (r + 1) * a.active; ++i) {
      const float weight = a.weights == nullptr ? 1 : a.weights[i];
      Simd().add_scaled(weight, a.x + a.slots[i] * a.cols, sum, a.cols);
    }
    Simd().add(sum, a.y + r * a.cols, a.cols);
  });
}

void WeightGrad(const CpuContext& context, const WeightGradArgs& a) {
  const int64_t size = static_cast<int64_t>(SizeOf(a.dtype));
  ForRows(context, a.slots, 2 * a.cols, [&](int64_t s) {
    float* dy = a.dy + s * a.cols;
    a.dweights[a.pairs[s]] = Simd().dot(
        dy, static_cast<const char*>(a.x) + s * a.cols * size, a.cols, a.dtype);
    Simd().scale(a.weights[a.pairs[s]], dy, a.cols);
  });
}

}  // namespace aha::ops
