#include "rl/pass_at_k.h"

#include <cassert>

namespace aha {

double PassAtK(int64_t n, int64_t c, int64_t k) {
  assert(0 <= c && c <= n && 1 <= k && k <= n);
  if (n - c < k) return 1;
  double all_wrong = 1;
  for (int64_t i = n - c + 1; i <= n; ++i) {
    all_wrong *= 1 - static_cast<double>(k) / static_cast<double>(i);
  }
  return 1 - all_wrong;
}

}  // namespace aha
