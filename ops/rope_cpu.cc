#include "ops/rope.h"
#include "ops/rows.h"
#include "ops/simd_table.h"

namespace aha::ops {

void Rope(const CpuContext& context, const RopeArgs& a) {
  const int64_t dim = a.table->head_dim();
  const float sign = a.turn == Turn::kForward ? 1.f : -1.f;
  ForRows(context, a.rows, a.heads * dim, [&](int64_t r) {
    Simd().rope(a.x + r * a.row_stride, a.table->cos(a.positions[r]),
                a.table->sin(a.positions[r]), a.heads, dim / 2, sign);
  });
}

}  // namespace aha::ops
