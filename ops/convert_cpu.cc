#include <algorithm>
#include <cstring>

#include "base/ceil_div.h"
#include "ops/convert.h"
#include "ops/simd_table.h"

namespace aha::ops {

void Round(const CpuContext& context, const float* in, void* out, int64_t count,
           DType dtype) {
  constexpr int64_t kBlock = 1 << 15;
  context.pool->For(CeilDiv(count, kBlock), [&](int64_t i) {
    const int64_t begin = i * kBlock, n = std::min(kBlock, count - begin);
    if (dtype == DType::kF32) {
      std::memcpy(static_cast<float*>(out) + begin, in + begin,
                  static_cast<size_t>(n) * sizeof(float));
    } else {
      Simd().round(in + begin, static_cast<Bf16*>(out) + begin, n);
    }
  });
}

}  // namespace aha::ops
