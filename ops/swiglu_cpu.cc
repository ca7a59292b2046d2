#include "ops/rows.h"
#include "ops/simd_table.h"
#include "ops/swiglu.h"

namespace aha::ops {

void SwiGlu(const CpuContext& context, const SwiGluArgs& a) {
  const int64_t size = static_cast<int64_t>(SizeOf(a.dtype));
  const auto row = a.gate == Gate::kSilu ? Simd().swiglu : Simd().geglu;
  ForRows(context, a.rows, 8 * a.cols, [&](int64_t r) {
    row(a.gate_up + r * 2 * a.cols, static_cast<char*>(a.y) + r * a.cols * size,
        a.cols, a.dtype);
  });
}

void SwiGluGrad(const CpuContext& context, const SwiGluGradArgs& a) {
  const int64_t size = static_cast<int64_t>(SizeOf(a.dtype));
  const auto row =
      a.gate == Gate::kSilu ? Simd().swiglu_grad : Simd().geglu_grad;
  ForRows(context, a.rows, 8 * a.cols, [&](int64_t r) {
    row(a.gate_up + r * 2 * a.cols, a.dy + r * a.cols,
        static_cast<char*>(a.dgate_up) + r * 2 * a.cols * size, a.cols,
        a.dtype);
  });
}

}  // namespace aha::ops
