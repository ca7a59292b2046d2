// One AdamW update (Loshchilov & Hutter 2017) of a flat range of parameters,
// which the learner calls once a step. It includes the scaling of the gradient
// and the rounding of the weights.
//
//   g = gradient_scale * sums[i]
//   m = beta1 m + (1 - beta1) g;   v = beta2 v + (1 - beta2) g^2
//   p = p - lr (m / (1 - beta1^t) / (sqrt(v / (1 - beta2^t)) + eps) + wd p)
#pragma once

#include <cstdint>

#include "device/context.h"
#include "device/dtype.h"

namespace aha::ops {

struct AdamWArgs {
  const int64_t* sums;    // [count], fixed-point numbers of GradientSum
  double gradient_scale;  // fixed point, loss denominator and clipping in one
  // [count], fp32 parameters; may be the weights if those are fp32. If it is
  // null, the parameters are split (split_master.h) into `rounded`, `low` and,
  // for ties, the sign of v, which is otherwise never negative.
  float* master;
  float* m;       // [count]
  float* v;       // [count]
  void* weights;  // [count], dtype: the new parameters rounded
  int64_t count;
  DType dtype;
  double learning_rate, beta1, beta2, epsilon, weight_decay;
  int64_t t;  // number of this update, from 1
  // These two only if master is null; dtype is bf16 then.
  // [count], before the update; may be the weights
  const Bf16* rounded = nullptr;
  uint16_t* low = nullptr;  // [count]
};
void AdamW(const CpuContext& context, const AdamWArgs& args);
void AdamW(const ReferenceContext&, const AdamWArgs& args);
inline void AdamW(const Context& context, const AdamWArgs& args) {
  context.Visit([&](const auto& device) { AdamW(device, args); });
}

// Returns sum_i (sums[i])^2 in double: the BlockSumsOfSquares added in
// ascending order, so the bits are the same for any number of threads.
double SumOfSquares(const CpuContext& context, const int64_t* sums,
                    int64_t count);
double SumOfSquares(const ReferenceContext&, const int64_t* sums,
                    int64_t count);
inline double SumOfSquares(const Context& context, const int64_t* sums,
                           int64_t count) {
  return context.Visit(
      [&](const auto& device) { return SumOfSquares(device, sums, count); });
}

inline constexpr int64_t kSquaresBlock = 1 << 14;
// squares[b] = the sum of squares of sums[b * kSquaresBlock ...], the last
// block being shorter.  Ranks that hold whole blocks each compute theirs alone.
// `squares` is [ceil(count / kSquaresBlock)].
void BlockSumsOfSquares(const CpuContext& context, const int64_t* sums,
                        int64_t count, double* squares);
void BlockSumsOfSquares(const ReferenceContext&, const int64_t* sums,
                        int64_t count, double* squares);
inline void BlockSumsOfSquares(const Context& context, const int64_t* sums,
                               int64_t count, double* squares) {
  context.Visit([&](const auto& device) {
    BlockSumsOfSquares(device, sums, count, squares);
  });
}

}  // namespace aha::ops
