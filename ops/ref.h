// Reads and writes numbers of either format as double. Internal to
// ops/*_ref.cc.
#pragma once

#include <cstdint>

#include "device/dtype.h"

namespace aha::ops {

inline double RefLoad(const void* data, int64_t i, DType dtype) {
  return LoadElement(data, i, dtype);
}

inline void RefStore(void* data, int64_t i, double x, DType dtype) {
  StoreElement(data, i, static_cast<float>(x), dtype);
}

}  // namespace aha::ops
