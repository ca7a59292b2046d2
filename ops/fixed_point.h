// Sums of fp32 terms in fixed point, whose bits do not depend on the order of
// the terms; model/gradient_sum.h builds the gradient of a step from them.
//
// A term is rounded, to nearest even, to a multiple of 1 / kFixedPointScale and
// added as a 64-bit integer.  Terms and sums must stay below kFixedPointBound.
#pragma once

#include <cstdint>

#include "device/context.h"

namespace aha::ops {

constexpr double kFixedPointScale = 0x1p36;
constexpr double kFixedPointBound = 0x1p21;
constexpr int64_t kFixedPointMaxSum =  // Sums stay below it.
    static_cast<int64_t>(kFixedPointBound * kFixedPointScale);

struct AddFixedPointArgs {
  const float* terms;  // [count]
  int64_t* sums;       // [count]: += round(terms * kFixedPointScale)
  int64_t count;
};
// False if a term is not finite, or if a term or a sum reaches the bound; the
// sums are then undefined.
bool AddFixedPoint(const CpuContext& context, const AddFixedPointArgs& args);
bool AddFixedPoint(const ReferenceContext&, const AddFixedPointArgs& args);
inline bool AddFixedPoint(const Context& context,
                          const AddFixedPointArgs& args) {
  return context.Visit(
      [&](const auto& device) { return AddFixedPoint(device, args); });
}

}  // namespace aha::ops
