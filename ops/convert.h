// Rounds fp32 to the number format of GEMM inputs and weights.
#pragma once

#include <cstdint>

#include "device/context.h"
#include "device/dtype.h"

namespace aha::ops {

// Computes out[i] = round(in[i]), to nearest even; for fp32 it copies. The
// engine rounds to bf16 only here and, fused and with the same function, in
// rms_norm, swiglu and attention.
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
