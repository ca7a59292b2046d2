#include "ops/convert.h"
#include "ops/ref.h"

namespace aha::ops {

void Round(const ReferenceContext&, const float* in, void* out, int64_t count,
           DType dtype) {
  for (int64_t i = 0; i < count; ++i) RefStore(out, i, in[i], dtype);
}

}  // namespace aha::ops
