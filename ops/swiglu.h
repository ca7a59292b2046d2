// Gated linear units (Shazeer 2020): y = f(gate) * up, where f is SiLU (SwiGLU)
// or the GELU in its approximation by tanh (GeGLU, as Gemma has it):
//
//   silu(x) = x / (1 + exp(-x))
//   gelu(x) = x / 2 (1 + tanh(sqrt(2 / pi) (x + 0.044715 x^3)))
#pragma once

#include <cstdint>

#include "device/context.h"
#include "device/dtype.h"

namespace aha::ops {

enum class Gate { kSilu, kGeluTanh };

struct SwiGluArgs {
  const float* gate_up;  // [rows, 2 * cols]: gate, then up
  void* y;               // [rows, cols], dtype
  int64_t rows, cols;
  DType dtype;
  Gate gate = Gate::kSilu;
};
void SwiGlu(const CpuContext& context, const SwiGluArgs& args);
void SwiGlu(const ReferenceContext&, const SwiGluArgs& args);
inline void SwiGlu(const Context& context, const SwiGluArgs& args) {
  context.Visit([&](const auto& device) { SwiGlu(device, args); });
}

struct SwiGluGradArgs {
  const float* gate_up;  // [rows, 2 * cols]
  const float* dy;       // [rows, cols]
  void* dgate_up;        // [rows, 2 * cols], dtype (it feeds GEMMs only)
  int64_t rows, cols;
  DType dtype;
  Gate gate = Gate::kSilu;
};
void SwiGluGrad(const CpuContext& context, const SwiGluGradArgs& args);
void SwiGluGrad(const ReferenceContext&, const SwiGluGradArgs& args);
inline void SwiGluGrad(const Context& context, const SwiGluGradArgs& args) {
  context.Visit([&](const auto& device) { SwiGluGrad(device, args); });
}

}  // namespace aha::ops
