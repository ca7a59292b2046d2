// Root-mean-square normalization (Zhang & Sennrich 2019).
//
//   s[r]    = 1 / sqrt(eps + mean over c of x[r, c]^2)
//   y[r, c] = x[r, c] * s[r] * gamma[c]      (or y[r, c] + that)
#pragma once

#include <cstdint>

#include "device/context.h"
#include "device/dtype.h"

namespace aha::ops {

struct RmsNormArgs {
  const float* x;      // [rows, cols]
  const float* gamma;  // [cols]
  void* y;             // [rows, cols], dtype
  float* inv_rms;      // [rows]: s, for the gradient; may be null
  int64_t rows, cols;
  float eps;
  DType dtype;
  bool add = false;  // To what y holds. REQUIRES: dtype is kF32.
};
void RmsNorm(const CpuContext& context, const RmsNormArgs& args);
void RmsNorm(const ReferenceContext&, const RmsNormArgs& args);
inline void RmsNorm(const Context& context, const RmsNormArgs& args) {
  context.Visit([&](const auto& device) { RmsNorm(device, args); });
}

struct RmsNormGradArgs {
  const float* x;        // [rows, cols]
  const float* gamma;    // [cols]
  const float* inv_rms;  // [rows]
  const float* dy;       // [rows, cols]
  float* dx;      // [rows, cols], added to (the gradient of the residual)
  float* dgamma;  // [cols], overwritten; rows summed in a fixed order
  int64_t rows, cols;
};
void RmsNormGrad(const CpuContext& context, const RmsNormGradArgs& args);
void RmsNormGrad(const ReferenceContext&, const RmsNormGradArgs& args);
inline void RmsNormGrad(const Context& context, const RmsNormGradArgs& args) {
  context.Visit([&](const auto& device) { RmsNormGrad(device, args); });
}

}  // namespace aha::ops
