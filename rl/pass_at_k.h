// pass@k of evaluations.  Pure functions.
#pragma once

#include <cstdint>

namespace aha {

// The unbiased estimate 1 - C(n-c, k) / C(n, k) of the chance that one of k
// completions is right, from n completions of which c are right (Chen et al.
// 2021).  REQUIRES: 0 <= c <= n, 1 <= k <= n.
double PassAtK(int64_t n, int64_t c, int64_t k);

}  // namespace aha
