#include <cmath>

#include "ops/fixed_point.h"

namespace aha::ops {

bool AddFixedPoint(const ReferenceContext&, const AddFixedPointArgs& a) {
  bool valid = true;
  for (int64_t i = 0; i < a.count; ++i) {
    const double term = a.terms[i];
    if (!(std::fabs(term) < kFixedPointBound)) return false;
    // nearbyint rounds to nearest even in the default rounding mode.
    a.sums[i] += static_cast<int64_t>(std::nearbyint(term * kFixedPointScale));
    const double sum = static_cast<double>(a.sums[i]) / kFixedPointScale;
    valid &= std::fabs(sum) < kFixedPointBound;
  }
  return valid;
}

}  // namespace aha::ops
