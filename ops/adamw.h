// AdamW (Loshchilov & Hutter 2017) over a flat range of parameters, fused with
// gradient scaling and the rounding of the weights.
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
  const int64_t* sums;    // [count], GradientSum's fixed-point numbers
  double gradient_scale;  // Fixed point, loss denominator and clipping in one
  // [count], fp32 parameters; may be the weights if those are fp32.  Null: they
  // are split (split_master.h) into `rounded`, `low` and, for ties, the sign of
  // v, which has none of its own.
  float* master;
  float* m;       // [count]
  float* v;       // [count]
  void* weights;  // [count], dtype: the new parameters rounded
  int64_t count;
  DType dtype;
  double learning_rate, beta1, beta2, epsilon, weight_decay;
  int64_t t;  // Update number, from 1
  // Only if master is null; then dtype is bf16.
  const Bf16* rounded = nullptr;  // [count], before; may be the weights
  uint16_t* low = nullptr;        // [count]
};
void AdamW(const CpuContext& context, const AdamWArgs& args);
void AdamW(const RefContext&, const AdamWArgs& args);

// sum_i (sums[i])^2 in double, over blocks of fixed size in ascending order:
// the same bits for any number of threads.
double SumOfSquares(const CpuContext& context, const int64_t* sums,
                    int64_t count);

}  // namespace aha::ops
