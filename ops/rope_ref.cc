#include "ops/rope.h"

namespace aha::ops {

void Rope(const ReferenceContext&, const RopeArgs& a) {
  const int64_t dim = a.table->head_dim(), half = dim / 2;
  const double sign = a.turn == Turn::kForward ? 1 : -1;
  for (int64_t r = 0; r < a.rows; ++r) {
    const float* cos = a.table->cos(a.positions[r]);
    const float* sin = a.table->sin(a.positions[r]);
    for (int64_t h = 0; h < a.heads; ++h) {
      float* x = a.x + r * a.row_stride + h * dim;
      for (int64_t i = 0; i < half; ++i) {
        const double low = x[i], high = x[i + half];
        const double c = cos[i], s = sign * sin[i];
        x[i] = static_cast<float>(low * c - high * s);
        x[i + half] = static_cast<float>(high * c + low * s);
      }
    }
  }
}

}  // namespace aha::ops
