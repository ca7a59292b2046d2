#include <algorithm>
#include <cmath>
#include <vector>

#include "ops/head.h"
#include "ops/ref.h"

namespace aha::ops {

void HeadScore(const RefContext&, const RefHeadArgs& a) {
  const double inv = a.temperature > 0 ? 1.0 / a.temperature : 1.0;
  std::vector<double> logits(static_cast<size_t>(a.vocab));
  for (int64_t r = 0; r < a.rows; ++r) {
    for (int64_t v = 0; v < a.vocab; ++v) {
      double dot = 0;
      for (int64_t c = 0; c < a.hidden; ++c) {
        dot += RefLoad(a.x, r * a.hidden + c, a.dtype) *
               RefLoad(a.w, v * a.hidden + c, a.dtype);
      }
      logits[v] = dot * inv;
    }
    const double max = *std::max_element(logits.begin(), logits.end());
    double sum = 0, weighted = 0;
    for (const double l : logits) {
      sum += std::exp(l - max);
      weighted += std::exp(l - max) * (l - max);
    }
    a.logprobs[r] =
        static_cast<float>(logits[a.tokens[r]] - max - std::log(sum));
    if (a.entropies != nullptr) {
      a.entropies[r] = static_cast<float>(std::log(sum) - weighted / sum);
    }
  }
}

}  // namespace aha::ops
