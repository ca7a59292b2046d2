#include <vector>

#include "base/ceil_div.h"
#include "ops/rms_norm.h"
#include "ops/rows.h"
#include "ops/simd_table.h"

namespace aha::ops {

void RmsNorm(const CpuContext& context, const RmsNormArgs& a) {
  const int64_t size = static_cast<int64_t>(SizeOf(a.dtype));
  ForRows(context, a.rows, a.cols, [&](int64_t r) {
    const float* x = a.x + r * a.cols;
    char* y = static_cast<char*>(a.y) + r * a.cols * size;
    const float s =
        a.add ? Simd().add_rms_norm(x, a.gamma, reinterpret_cast<float*>(y),
                                    a.cols, a.eps)
              : Simd().rms_norm(x, a.gamma, y, a.cols, a.eps, a.dtype);
    if (a.inv_rms != nullptr) a.inv_rms[r] = s;
  });
}

void RmsNormGrad(const CpuContext& context, const RmsNormGradArgs& a) {
  // dgamma sums the rows of each block of kBlock in order, and then the blocks
  // in order.
  constexpr int64_t kBlock = 32;
  const int64_t blocks = CeilDiv(a.rows, kBlock);
  std::vector<float> partial(static_cast<size_t>(blocks * a.cols));
  context.pool->For(blocks, [&](int64_t b) {
    const int64_t end = std::min(a.rows, (b + 1) * kBlock);
    for (int64_t r = b * kBlock; r < end; ++r) {
      const int64_t at = r * a.cols;
      Simd().rms_norm_grad(a.x + at, a.gamma, a.inv_rms[r], a.dy + at,
                           a.dx + at, &partial[b * a.cols], a.cols);
    }
  });
  std::fill_n(a.dgamma, a.cols, 0.f);
  for (int64_t b = 0; b < blocks; ++b) {
    Simd().add(&partial[b * a.cols], a.dgamma, a.cols);
  }
}

}  // namespace aha::ops
