#include <algorithm>
#include <cmath>
#include <vector>

#include "base/ceil_div.h"
#include "ops/adamw.h"
#include "ops/ref.h"
#include "ops/split_master.h"

namespace aha::ops {

void AdamW(const ReferenceContext&, const AdamWArgs& a) {
  const double correction1 = 1 - std::pow(a.beta1, a.t);
  const double correction2 = 1 - std::pow(a.beta2, a.t);
  for (int64_t i = 0; i < a.count; ++i) {
    const float before =
        a.master != nullptr
            ? a.master[i]
            : JoinMasterWeight({a.rounded[i], a.low[i], std::signbit(a.v[i])});
    a.v[i] = std::fabs(a.v[i]);
    const double g = static_cast<double>(a.sums[i]) * a.gradient_scale;
    const double m = a.beta1 * a.m[i] + (1 - a.beta1) * g;
    const double v = a.beta2 * a.v[i] + (1 - a.beta2) * g * g;
    const double update =
        m / correction1 / (std::sqrt(v / correction2) + a.epsilon);
    const double p =
        before - a.learning_rate * (update + a.weight_decay * before);
    a.m[i] = static_cast<float>(m);
    a.v[i] = static_cast<float>(v);
    const float after = static_cast<float>(p);
    RefStore(a.weights, i, after, a.dtype);
    if (a.master != nullptr) {
      a.master[i] = after;
      continue;
    }
    const SplitMaster split = SplitMasterWeight(after);
    a.low[i] = split.low;
    if (split.tie_went_up) a.v[i] = -a.v[i];
  }
}

void BlockSumsOfSquares(const ReferenceContext&, const int64_t* sums,
                        int64_t count, double* squares) {
  for (int64_t begin = 0; begin < count; begin += kSquaresBlock) {
    const int64_t end = std::min(begin + kSquaresBlock, count);
    long double total = 0;
    for (int64_t i = begin; i < end; ++i) {
      total += static_cast<long double>(sums[i]) * sums[i];
    }
    squares[begin / kSquaresBlock] = static_cast<double>(total);
  }
}

double SumOfSquares(const ReferenceContext& context, const int64_t* sums,
                    int64_t count) {
  std::vector<double> squares(
      static_cast<size_t>(CeilDiv(count, kSquaresBlock)));
  BlockSumsOfSquares(context, sums, count, squares.data());
  double total = 0;
  for (const double square : squares) total += square;
  return total;
}

}  // namespace aha::ops
