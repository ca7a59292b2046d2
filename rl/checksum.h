// The job's checksum: a hash of what each step consumed and of the weights that
// it made, chained over the steps (docs/design.md sections 1 and 10).
//
// All functions are pure.
#pragma once

#include <cstdint>

#include "absl/types/span.h"
#include "base/hash.h"

namespace aha {

// The parts of a trajectory that decide the result.
struct TrajectoryRecord {
  absl::Span<const int32_t> token_ids;
  absl::Span<const float> logprobs;  // Enter as bits.
  double reward = 0;                 // Enters as bits.
  uint32_t finish_reason = 0;        // v1::FinishReason's number.
};

struct GroupRecord {
  uint32_t stage = 0;
  uint64_t step = 0;
  uint32_t slot = 0;
};

// The digest of one group; `trajectories` stand in order of sample.
Hash128 GroupDigest(const GroupRecord& key,
                    absl::Span<const TrajectoryRecord> trajectories);

// The chain after a step.  `groups` are digests in slot order, none for sft;
// `weights` is the checksum of the weights that the step made.  The chain
// begins with Hash128{}.
Hash128 NextChain(const Hash128& previous, uint32_t stage, uint64_t step,
                  absl::Span<const Hash128> groups, const Hash128& weights);

}  // namespace aha
