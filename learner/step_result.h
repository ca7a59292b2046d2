// The result of a step, as the learner commits it.
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
  Hash128 weights_checksum;  // Checksum of version step + 1.
  Hash128 chain;
  std::map<std::string, double> metrics;  // TRL's names.
  std::vector<uint32_t> slots;  // Slots of the groups consumed, ascending.
  int64_t tokens = 0;  // Tokens of the prompts and completions trained on.
  // Log-probabilities that were compared with the recorded ones, as bits.
  uint64_t tokens_compared = 0;
  uint64_t tokens_differing = 0;
  std::string first_difference;  // Names group, sample and token; "" if none.
  std::string rollouts;          // JSON Lines in slot order, on rank 0 only.
};

// Checks that all ranks are in the same state before step `step`.  DATA_LOSS
// names the ranks whose checksum differs from that of rank 0.
absl::Status CompareChecksums(const Hash128& mine, uint64_t step,
                              comm::Communicator& comm);

}  // namespace aha::learner
