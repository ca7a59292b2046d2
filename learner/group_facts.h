// The statistics of a group after a rank trained on it.  Ranks exchange them
// and sum them in slot order.
#pragma once

#include <cstdint>
#include <map>
#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "absl/types/span.h"
#include "base/hash.h"
#include "comm/communicator.h"
#include "rl/losses.h"

namespace aha::learner {

// A comparison of recorded log-probabilities with those computed here, as bits.
struct Comparison {
  uint64_t compared = 0;
  uint64_t differing = 0;
  double max_difference = 0;
  // Where the first difference is:
  uint32_t first_sample = 0;
  uint32_t first_token = 0;
  float first_recorded = 0;
  float first_computed = 0;

  // Adds the next tokens of `sample`, whose tokens are added in order.
  void Add(uint32_t sample, absl::Span<const float> recorded,
           absl::Span<const float> computed);
};

// Has a fixed size and no pointers, since it travels as bytes.
struct GroupFacts {
  uint32_t slot = 0;
  uint32_t truncated = 0;  // Completions that were cut.
  int64_t prompt_tokens = 0;
  int64_t min_length = 0;
  int64_t max_length = 0;
  double entropy = 0;  // Summed over completion tokens.
  LossSums sums;
  Comparison comparison;
  Hash128 digest;
};

// The facts of all ranks, by slot.  INTERNAL unless each of `slots` slots is
// there once.
absl::StatusOr<std::vector<GroupFacts>> ExchangeFacts(
    uint32_t slots, const std::vector<GroupFacts>& mine,
    comm::Communicator& comm);

LossSums TotalOf(const std::vector<GroupFacts>& facts);
int64_t TokensOf(const std::vector<GroupFacts>& facts);

// Adds lengths, losses, clip ratios, entropy and the comparison, under TRL's
// names.
void FillMetrics(const LossOptions& options,
                 const std::vector<GroupFacts>& facts,
                 std::map<std::string, double>* metrics);

// "step 3, slot 1, sample 0, token 7: recorded ..., computed ..."; "" if no
// bit differs.
std::string FirstDifference(uint64_t step,
                            const std::vector<GroupFacts>& facts);

}  // namespace aha::learner
