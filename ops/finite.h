// Whether stored numbers are finite.
#pragma once

#include <cstdint>

#include "device/context.h"
#include "device/dtype.h"

namespace aha::ops {

struct AllFiniteArgs {
  const void* data;  // [count], dtype
  int64_t count;
  DType dtype;
};
// False if one is infinite or not a number.
bool AllFinite(const CpuContext& context, const AllFiniteArgs& args);
bool AllFinite(const ReferenceContext&, const AllFiniteArgs& args);
inline bool AllFinite(const Context& context, const AllFiniteArgs& args) {
  return context.Visit(
      [&](const auto& device) { return AllFinite(device, args); });
}

}  // namespace aha::ops
