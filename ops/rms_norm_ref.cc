#include <algorithm>
#include <cmath>
#include <vector>

#include "ops/ref.h"
#include "ops/rms_norm.h"

namespace aha::ops {

void RmsNorm(const ReferenceContext&, const RmsNormArgs& a) {
  for (int64_t r = 0; r < a.rows; ++r) {
    const float* x = a.x + r * a.cols;
    double squares = 0;
    for (int64_t c = 0; c < a.cols; ++c) squares += double{x[c]} * x[c];
    const double s =
        1 / std::sqrt(squares / static_cast<double>(a.cols) + a.eps);
    for (int64_t c = 0; c < a.cols; ++c) {
      const int64_t at = r * a.cols + c;
      const double before = a.add ? RefLoad(a.y, at, a.dtype) : 0;
      RefStore(a.y, at, before + x[c] * s * a.gamma[c], a.dtype);
    }
    if (a.inv_rms != nullptr) a.inv_rms[r] = static_cast<float>(s);
  }
}

void RmsNormGrad(const ReferenceContext&, const RmsNormGradArgs& a) {
  std::vector<double> dgamma(static_cast<size_t>(a.cols));
  for (int64_t r = 0; r < a.rows; ++r) {
    const float* x = a.x + r * a.cols;
    const float* dy = a.dy + r * a.cols;
    const double s = a.inv_rms[r];
    double dot = 0;
    for (int64_t c = 0; c < a.cols; ++c) {
      dot += double{dy[c]} * a.gamma[c] * x[c] * s;
      dgamma[c] += double{dy[c]} * x[c] * s;
    }
    const double mean = dot / static_cast<double>(a.cols);
    for (int64_t c = 0; c < a.cols; ++c) {
      const double d = double{dy[c]} * a.gamma[c];
      a.dx[r * a.cols + c] += static_cast<float>((d - x[c] * s * mean) * s);
    }
  }
  for (int64_t c = 0; c < a.cols; ++c) {
    a.dgamma[c] = static_cast<float>(dgamma[c]);
  }
}

}  // namespace aha::ops
