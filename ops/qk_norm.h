// QK-norm: root-mean-square normalization of each attention head of a row
// (Henry et al. 2020; Qwen3 norms queries and keys so, before the rotation).
// All heads of a call share one vector of gains.
//
//   y[r, h, c] = x[r, h, c] * s[r, h] * gamma[c],
//   s[r, h] = 1 / sqrt(mean_c x[r, h, c]^2 + eps)
//
// Head h of row r is the head_dim numbers at r * row_stride + h * head_dim.
#pragma once

#include <cstdint>

#include "device/context.h"

namespace aha::ops {

struct QkNormArgs {
  const float* x;      // [rows, row_stride]: heads * head_dim used
  const float* gamma;  // [head_dim]
  float* y;            // as x; x itself or memory apart from it
  int64_t rows, row_stride, heads, head_dim;
  float eps;
};
void QkNorm(const CpuContext& context, const QkNormArgs& args);
void QkNorm(const ReferenceContext&, const QkNormArgs& args);
inline void QkNorm(const Context& context, const QkNormArgs& args) {
  context.Visit([&](const auto& device) { QkNorm(device, args); });
}

struct QkNormGradArgs {
  const float* x;      // as forward
  const float* gamma;  // as forward
  float* dy;           // as x: the gradient of y, which becomes that of x
  float* dgamma;       // [head_dim], overwritten; rows, and the heads of each,
                       // summed in a fixed order
  int64_t rows, row_stride, heads, head_dim;
  float eps;
};
void QkNormGrad(const CpuContext& context, const QkNormGradArgs& args);
void QkNormGrad(const ReferenceContext&, const QkNormGradArgs& args);
inline void QkNormGrad(const Context& context, const QkNormGradArgs& args) {
  context.Visit([&](const auto& device) { QkNormGrad(device, args); });
}

}  // namespace aha::ops
