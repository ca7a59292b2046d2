#include <cmath>

#include "ops/adamw.h"
#include "ops/ref.h"

namespace aha::ops {

void AdamW(const RefContext&, const AdamWArgs& a) {
  const double correction1 = 1 - std::pow(a.beta1, a.t);
  const double correction2 = 1 - std::pow(a.beta2, a.t);
  for (int64_t i = 0; i < a.count; ++i) {
    const double g = static_cast<double>(a.sums[i]) * a.gradient_scale;
    const double m = a.beta1 * a.m[i] + (1 - a.beta1) * g;
    const double v = a.beta2 * a.v[i] + (1 - a.beta2) * g * g;
    const double update =
        m / correction1 / (std::sqrt(v / correction2) + a.epsilon);
    const double p =
        a.master[i] - a.learning_rate * (update + a.weight_decay * a.master[i]);
    a.m[i] = static_cast<float>(m);
    a.v[i] = static_cast<float>(v);
    a.master[i] = static_cast<float>(p);
    RefStore(a.weights, i, a.master[i], a.dtype);
  }
}

}  // namespace aha::ops
