#include <algorithm>
#include <cmath>
#include <vector>

#include "base/ceil_div.h"
#include "ops/adamw.h"
#include "ops/scratch.h"
#include "ops/simd_table.h"

namespace aha::ops {
namespace {

constexpr int64_t kBlock = 1 << 14;

// Computes beta^t by squaring. It needs no libm, so the bits are the same
// everywhere.
double Power(double beta, int64_t t) {
  double power = 1;
  for (double factor = beta; t > 0; t >>= 1, factor *= factor) {
    if (t & 1) power *= factor;
  }
  return power;
}

}  // namespace

void AdamW(const CpuContext& context, const AdamWArgs& a) {
  const double correction1 = 1 - Power(a.beta1, a.t);
  const double correction2 = 1 - Power(a.beta2, a.t);
  const AdamWFactors factors = {
      .gradient_scale = a.gradient_scale,
      .beta1 = static_cast<float>(a.beta1),
      .beta2 = static_cast<float>(a.beta2),
      .decay = static_cast<float>(a.learning_rate * a.weight_decay),
      .step = static_cast<float>(a.learning_rate / correction1),
      .inv_root2 = static_cast<float>(1 / std::sqrt(correction2)),
      .epsilon = static_cast<float>(a.epsilon)};
  const int64_t size = static_cast<int64_t>(SizeOf(a.dtype));
  context.pool->For(CeilDiv(a.count, kBlock), [&](int64_t i) {
    const int64_t at = i * kBlock;
    const int64_t n = std::min(kBlock, a.count - at);
    void* weights = static_cast<char*>(a.weights) + at * size;
    float* master =
        a.master == nullptr ? ThreadScratch(0, kBlock) : a.master + at;
    if (a.master == nullptr) {
      Simd().join_master(a.rounded + at, a.low + at, a.v + at, master, n);
    }
    Simd().adamw(factors, a.sums + at, master, a.m + at, a.v + at, weights, n,
                 a.dtype);
    if (a.master == nullptr) {
      Simd().split_master(master, static_cast<Bf16*>(weights), a.low + at,
                          a.v + at, n);
    }
  });
}

void BlockSumsOfSquares(const CpuContext& context, const int64_t* sums,
                        int64_t count, double* squares) {
  const int64_t blocks = CeilDiv(count, kSquaresBlock);
  context.pool->For(blocks, [&](int64_t i) {
    const int64_t at = i * kSquaresBlock;
    squares[i] =
        Simd().sum_of_squares(sums + at, std::min(kSquaresBlock, count - at));
  });
}

double SumOfSquares(const CpuContext& context, const int64_t* sums,
                    int64_t count) {
  const int64_t blocks = CeilDiv(count, kSquaresBlock);
  std::vector<double> squares(static_cast<size_t>(blocks));
  BlockSumsOfSquares(context, sums, count, squares.data());
  double total = 0;
  for (const double square : squares) total += square;
  return total;
}

}  // namespace aha::ops
