// Cuts the rows of an op into tasks. Internal to ops/.
#pragma once

#include <algorithm>
#include <cstdint>

#include "base/ceil_div.h"
#include "device/context.h"

namespace aha::ops {

// Calls body(row) for every row, with several rows in one task. `cost` is about
// what one row costs, in multiply-adds.
template <class F>
void ForRows(const CpuContext& context, int64_t rows, int64_t cost, F&& body) {
  constexpr int64_t kTaskCost = 1 << 15;  // a few microseconds
  const int64_t block =
      std::clamp<int64_t>(kTaskCost / std::max<int64_t>(cost, 1), 1, rows | 1);
  context.pool->For(CeilDiv(rows, block), [&](int64_t i) {
    const int64_t end = std::min(rows, (i + 1) * block);
    for (int64_t row = i * block; row < end; ++row) body(row);
  });
}

}  // namespace aha::ops
