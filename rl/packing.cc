#include "rl/packing.h"

#include <cassert>

namespace aha {

std::vector<MicroBatch> PackMicroBatches(absl::Span<const int64_t> lengths,
                                         int64_t token_limit) {
  assert(token_limit >= 1);
  std::vector<MicroBatch> batches;
  int64_t tokens = 0;
  for (int64_t i = 0; i < static_cast<int64_t>(lengths.size()); ++i) {
    // Written as a difference: a sum of hostile lengths could overflow.
    if (batches.empty() || lengths[i] > token_limit - tokens) {
      batches.push_back({i, i});
      tokens = 0;
    }
    batches.back().end = i + 1;
    tokens += lengths[i];
  }
  return batches;
}

}  // namespace aha
