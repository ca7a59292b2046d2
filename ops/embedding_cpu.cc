#include <algorithm>
#include <cstring>

#include "base/ceil_div.h"
#include "ops/embedding.h"
#include "ops/rows.h"
#include "ops/simd_table.h"

namespace aha::ops {

void Embedding(const CpuContext& context, const EmbeddingArgs& a) {
  ForRows(context, a.rows, a.cols, [&](int64_t r) {
    const int64_t at = a.tokens[r] * a.cols;
    if (a.dtype == DType::kF32) {
      std::memcpy(a.y + r * a.cols, static_cast<const float*>(a.table) + at,
                  static_cast<size_t>(a.cols) * sizeof(float));
    } else {
      Simd().widen(static_cast<const Bf16*>(a.table) + at, a.y + r * a.cols,
                   a.cols);
    }
    if (a.factor != 1) Simd().scale(a.factor, a.y + r * a.cols, a.cols);
  });
}

void EmbeddingGrad(const CpuContext& context, const EmbeddingGradArgs& a) {
  // Rows may have the same token, so threads take columns rather than rows.
  constexpr int64_t kBlock = 64;
  context.pool->For(CeilDiv(a.cols, kBlock), [&](int64_t block) {
    const int64_t begin = block * kBlock;
    const int64_t n = std::min(kBlock, a.cols - begin);
    for (int64_t r = 0; r < a.rows; ++r) {
      Simd().add_scaled(a.factor, a.dy + r * a.cols + begin,
                        a.dtable + a.tokens[r] * a.cols + begin, n);
    }
  });
}

}  // namespace aha::ops
