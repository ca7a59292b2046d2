// How the references read and write numbers of either format.  Internal to
// ops/*_ref.cc.
#pragma once

#include <cstdint>

#include "tensor/dtype.h"

namespace aha::ops {

inline double RefLoad(const void* data, int64_t i, DType dtype) {
  return dtype == DType::kF32 ? double{static_cast<const float*>(data)[i]}
                              : ToFloat(static_cast<const Bf16*>(data)[i]);
}

inline void RefStore(void* data, int64_t i, double x, DType dtype) {
  if (dtype == DType::kF32) {
    static_cast<float*>(data)[i] = static_cast<float>(x);
  } else {
    static_cast<Bf16*>(data)[i] = ToBf16(static_cast<float>(x));
  }
}

}  // namespace aha::ops
