#include <cmath>

#include "ops/ref.h"
#include "ops/swiglu.h"

namespace aha::ops {

void SwiGlu(const ReferenceContext&, const SwiGluArgs& a) {
  for (int64_t r = 0; r < a.rows; ++r) {
    const float* gate = a.gate_up + r * 2 * a.cols;
    for (int64_t c = 0; c < a.cols; ++c) {
      const double g = gate[c], u = gate[a.cols + c];
      RefStore(a.y, r * a.cols + c, g / (1 + std::exp(-g)) * u, a.dtype);
    }
  }
}

void SwiGluGrad(const ReferenceContext&, const SwiGluGradArgs& a) {
  for (int64_t r = 0; r < a.rows; ++r) {
    const int64_t at = r * 2 * a.cols;
    for (int64_t c = 0; c < a.cols; ++c) {
      const double g = a.gate_up[at + c], u = a.gate_up[at + a.cols + c];
      const double d = a.dy[r * a.cols + c];
      const double s = 1 / (1 + std::exp(-g));
      RefStore(a.dgate_up, at + c, d * u * s * (1 + g * (1 - s)), a.dtype);
      RefStore(a.dgate_up, at + a.cols + c, d * g * s, a.dtype);
    }
  }
}

}  // namespace aha::ops
