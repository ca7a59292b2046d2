// What a step gives to the outside.
#pragma once

#include <cstdint>
#include <map>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "base/hash.h"
#include "comm/communicator.h"

namespace aha::learner {

struct StepResult {
  Hash128 weights_checksum;  // Of version step + 1.
  Hash128 chain;
  std::map<std::string, double> metrics;  // TRL's names.
  std::vector<uint32_t> slots;            // Consumed, ascending; grpo only.
  int64_t tokens = 0;                     // Prompt and completion, trained on.
  uint64_t tokens_compared = 0;
  uint64_t tokens_differing = 0;
  std::string first_difference;  // Names group, sample and token; "" if none.
  std::string rollouts;          // JSON Lines in slot order, on rank 0 only.
};

// All ranks must be in the same state.  DATA_LOSS names those whose checksum
// differs from rank 0's.
absl::Status CompareChecksums(const Hash128& mine, uint64_t step,
                              comm::Communicator& comm);

}  // namespace aha::learner
