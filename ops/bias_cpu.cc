#include <algorithm>
#include <vector>

#include "base/ceil_div.h"
#include "ops/bias.h"
#include "ops/rows.h"
#include "ops/simd_table.h"

namespace aha::ops {

void AddBias(const CpuContext& context, const AddBiasArgs& a) {
  ForRows(context, a.rows, a.cols,
          [&](int64_t r) { Simd().add(a.bias, a.y + r * a.cols, a.cols); });
}

void BiasGrad(const CpuContext& context, const BiasGradArgs& a) {
  // Rows in blocks of kBlock, then the blocks, both in order.
  constexpr int64_t kBlock = 32;
  const int64_t blocks = CeilDiv(a.rows, kBlock);
  std::vector<float> partial(static_cast<size_t>(blocks * a.cols));
  context.pool->For(blocks, [&](int64_t b) {
    const int64_t end = std::min(a.rows, (b + 1) * kBlock);
    for (int64_t r = b * kBlock; r < end; ++r) {
      Simd().add(a.dy + r * a.cols, &partial[b * a.cols], a.cols);
    }
  });
  std::fill_n(a.dbias, a.cols, 0.f);
  for (int64_t b = 0; b < blocks; ++b) {
    Simd().add(&partial[b * a.cols], a.dbias, a.cols);
  }
}

}  // namespace aha::ops
