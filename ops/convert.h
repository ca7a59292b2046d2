// Rounding of fp32 to the number format of GEMM inputs and weights.
#pragma once

#include <cstdint>

#include "device/context.h"
#include "device/dtype.h"

namespace aha::ops {

// out[i] = round(in[i]), to nearest even (a copy for fp32).  The only rounding
// to bf16 in the engine besides those fused into rms_norm, swiglu and
// attention, and the same function there.
void Round(const CpuContext& context, const float* in, void* out, int64_t count,
           DType dtype);
void Round(const ReferenceContext&, const float* in, void* out, int64_t count,
           DType dtype);
inline void Round(const Context& context, const float* in, void* out,
                  int64_t count, DType dtype) {
  context.Visit(
      [&](const auto& device) { Round(device, in, out, count, dtype); });
}

}  // namespace aha::ops
