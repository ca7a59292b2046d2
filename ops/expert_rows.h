// Moves rows between the order of a batch and that of the experts, which
// GroupByExpert of route.h makes: a pair is a row with one of its experts, and
// each pair has a slot among those of its expert. `active` is the number of
// experts of a row, so pair number i belongs to row i / active.
#pragma once

#include <cstdint>

#include "device/context.h"
#include "device/dtype.h"

namespace aha::ops {

// to[i] = from[index[i] / divisor], a copy.
struct GatherRowsArgs {
  const void* from;      // Rows of row_bytes bytes.
  const int32_t* index;  // [rows]
  int64_t divisor;
  void* to;  // [rows], likewise
  int64_t rows, row_bytes;
};
void GatherRows(const CpuContext& context, const GatherRowsArgs& args);
void GatherRows(const ReferenceContext&, const GatherRowsArgs& args);
inline void GatherRows(const Context& context, const GatherRowsArgs& args) {
  context.Visit([&](const auto& device) { GatherRows(device, args); });
}

// to[slot] = round(weight of its pair * x[row of its pair]).
struct GatherWeightedArgs {
  const float* x;        // [rows, cols]
  const int32_t* pairs;  // [slots]
  const float* weights;  // [slots], by pair; null: all are 1
  void* to;              // [slots, cols], dtype
  int64_t slots, active, cols;
  DType dtype;
};
void GatherWeighted(const CpuContext& context, const GatherWeightedArgs& args);
void GatherWeighted(const ReferenceContext&, const GatherWeightedArgs& args);
inline void GatherWeighted(const Context& context,
                           const GatherWeightedArgs& args) {
  context.Visit([&](const auto& device) { GatherWeighted(device, args); });
}

// y[row] += the sum over the row's pairs of weight * x[slot of the pair]. The
// pairs are summed in their order, from zero, before y is added to.
struct CombineRowsArgs {
  const float* x;        // [rows * active, cols], by slot
  const int32_t* slots;  // [rows * active], by pair
  const float* weights;  // [rows * active], by pair; null: all are 1
  float* y;              // [rows, cols]
  int64_t rows, active, cols;
};
void CombineRows(const CpuContext& context, const CombineRowsArgs& args);
void CombineRows(const ReferenceContext&, const CombineRowsArgs& args);
inline void CombineRows(const Context& context, const CombineRowsArgs& args) {
  context.Visit([&](const auto& device) { CombineRows(device, args); });
}

// The gradient of a pair's weight, and that of what the weight multiplies, from
// dy, which is the gradient of their product by way of a matrix whose other
// factor is x: dweights[pair] = dy[slot] . x[slot], and dy[slot] *= weight.
struct WeightGradArgs {
  const void* x;         // [slots, cols], dtype
  const int32_t* pairs;  // [slots]
  const float* weights;  // [slots], by pair
  float* dy;             // [slots, cols]
  float* dweights;       // [slots], by pair
  int64_t slots, cols;
  DType dtype;
};
void WeightGrad(const CpuContext& context, const WeightGradArgs& args);
void WeightGrad(const ReferenceContext&, const WeightGradArgs& args);
inline void WeightGrad(const Context& context, const WeightGradArgs& args) {
  context.Visit([&](const auto& device) { WeightGrad(device, args); });
}

}  // namespace aha::ops
