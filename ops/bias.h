// Biases of a projection: one number a column, added to every row.
#pragma once

#include <cstdint>

#include "device/context.h"

namespace aha::ops {

// y[r, c] = y[r, c] + bias[c]
struct AddBiasArgs {
  const float* bias;  // [cols]
  float* y;           // [rows, cols]
  int64_t rows, cols;
};
void AddBias(const CpuContext& context, const AddBiasArgs& args);
void AddBias(const ReferenceContext&, const AddBiasArgs& args);
inline void AddBias(const Context& context, const AddBiasArgs& args) {
  context.Visit([&](const auto& device) { AddBias(device, args); });
}

struct BiasGradArgs {
  const float* dy;  // [rows, cols]
  float* dbias;     // [cols], overwritten; rows summed in a fixed order
  int64_t rows, cols;
};
void BiasGrad(const CpuContext& context, const BiasGradArgs& args);
void BiasGrad(const ReferenceContext&, const BiasGradArgs& args);
inline void BiasGrad(const Context& context, const BiasGradArgs& args) {
  context.Visit([&](const auto& device) { BiasGrad(device, args); });
}

}  // namespace aha::ops
