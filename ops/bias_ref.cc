#include "ops/bias.h"

namespace aha::ops {

void AddBias(const ReferenceContext&, const AddBiasArgs& a) {
  for (int64_t r = 0; r < a.rows; ++r) {
    for (int64_t c = 0; c < a.cols; ++c) a.y[r * a.cols + c] += a.bias[c];
  }
}

void BiasGrad(const ReferenceContext&, const BiasGradArgs& a) {
  for (int64_t c = 0; c < a.cols; ++c) {
    double sum = 0;
    for (int64_t r = 0; r < a.rows; ++r) sum += a.dy[r * a.cols + c];
    a.dbias[c] = static_cast<float>(sum);
  }
}

}  // namespace aha::ops
