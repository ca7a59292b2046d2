#include <algorithm>
#include <vector>

#include "base/ceil_div.h"
#include "ops/qk_norm.h"
#include "ops/rows.h"
#include "ops/scratch.h"
#include "ops/simd_table.h"

namespace aha::ops {

void QkNorm(const CpuContext& context, const QkNormArgs& a) {
  ForRows(context, a.rows, a.heads * a.head_dim, [&](int64_t r) {
    for (int64_t h = 0; h < a.heads; ++h) {
      const int64_t at = r * a.row_stride + h * a.head_dim;
      Simd().rms_norm(a.x + at, a.gamma, a.y + at, a.head_dim, a.eps,
                      DType::kF32);
    }
  });
}

void QkNormGrad(const CpuContext& context, const QkNormGradArgs& a) {
  // dgamma: rows in blocks of kBlock, then the blocks, both in order.
  constexpr int64_t kBlock = 32;
  const int64_t blocks = CeilDiv(a.rows, kBlock);
  std::vector<float> partial(static_cast<size_t>(blocks * a.head_dim));
  context.pool->For(blocks, [&](int64_t b) {
    float* dx = ThreadScratch(0, a.head_dim);
    const int64_t end = std::min(a.rows, (b + 1) * kBlock);
    for (int64_t r = b * kBlock; r < end; ++r) {
      for (int64_t h = 0; h < a.heads; ++h) {
        const int64_t at = r * a.row_stride + h * a.head_dim;
        // The same s as in the forward pass; what it wrote is not needed.
        const float s = Simd().rms_norm(a.x + at, a.gamma, dx, a.head_dim,
                                        a.eps, DType::kF32);
        std::fill_n(dx, a.head_dim, 0.f);
        Simd().rms_norm_grad(a.x + at, a.gamma, s, a.dy + at, dx,
                             &partial[b * a.head_dim], a.head_dim);
        std::copy_n(dx, a.head_dim, a.dy + at);
      }
    }
  });
  std::fill_n(a.dgamma, a.head_dim, 0.f);
  for (int64_t b = 0; b < blocks; ++b) {
    Simd().add(&partial[b * a.head_dim], a.dgamma, a.head_dim);
  }
}

}  // namespace aha::ops
