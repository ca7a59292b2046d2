#include <cmath>

#include "ops/finite.h"
#include "ops/ref.h"

namespace aha::ops {

bool AllFinite(const ReferenceContext&, const AllFiniteArgs& a) {
  for (int64_t i = 0; i < a.count; ++i) {
    if (!std::isfinite(RefLoad(a.data, i, a.dtype))) return false;
  }
  return true;
}

}  // namespace aha::ops
