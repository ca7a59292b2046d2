#include <cmath>
#include <vector>

#include "ops/qk_norm.h"

namespace aha::ops {
namespace {

double InverseRms(const float* x, int64_t n, float eps) {
  double squares = 0;
  for (int64_t c = 0; c < n; ++c) squares += double{x[c]} * x[c];
  return 1 / std::sqrt(squares / static_cast<double>(n) + eps);
}

}  // namespace

void QkNorm(const ReferenceContext&, const QkNormArgs& a) {
  for (int64_t r = 0; r < a.rows; ++r) {
    for (int64_t h = 0; h < a.heads; ++h) {
      const int64_t at = r * a.row_stride + h * a.head_dim;
      const double s = InverseRms(a.x + at, a.head_dim, a.eps);
      for (int64_t c = 0; c < a.head_dim; ++c) {
        a.y[at + c] = static_cast<float>(a.x[at + c] * s * a.gamma[c]);
      }
    }
  }
}

void QkNormGrad(const ReferenceContext&, const QkNormGradArgs& a) {
  std::vector<double> dgamma(static_cast<size_t>(a.head_dim));
  for (int64_t r = 0; r < a.rows; ++r) {
    for (int64_t h = 0; h < a.heads; ++h) {
      const float* x = a.x + r * a.row_stride + h * a.head_dim;
      float* dy = a.dy + r * a.row_stride + h * a.head_dim;
      const double s = InverseRms(x, a.head_dim, a.eps);
      double dot = 0;
      for (int64_t c = 0; c < a.head_dim; ++c) {
        dot += double{dy[c]} * a.gamma[c] * x[c] * s;
        dgamma[c] += double{dy[c]} * x[c] * s;
      }
      const double mean = dot / static_cast<double>(a.head_dim);
      for (int64_t c = 0; c < a.head_dim; ++c) {
        const double d = double{dy[c]} * a.gamma[c];
        dy[c] = static_cast<float>((d - x[c] * s * mean) * s);
      }
    }
  }
  for (int64_t c = 0; c < a.head_dim; ++c) {
    a.dgamma[c] = static_cast<float>(dgamma[c]);
  }
}

}  // namespace aha::ops
