// Collects the scored groups of one eval stage and sums them up.
//
// A group counts once; the same group delivered again must have the same bits.
// The result does not depend on the order of arrival.  Thread-compatible.
#pragma once

#include <cstdint>
#include <map>

#include "absl/status/status.h"
#include "aha/v1/rollout.pb.h"
#include "base/hash.h"
#include "coordinator/plan.h"

namespace aha::coordinator {

struct EvalResult {
  uint64_t prompts = 0;
  // Share of completions whose first reward component is at least 1.
  double pass_at_1 = 0;
  double mean_completion_length = 0;  // Tokens, the end token included.
  uint64_t tokens = 0;
};

class EvalBoard {
 public:
  EvalBoard(uint32_t stage, const StagePlan& plan);

  // INVALID_ARGUMENT: malformed or not of this stage.  DATA_LOSS: differs from
  // an earlier delivery.
  absl::Status Add(const v1::ScoredGroup& group);

  bool Complete() const { return groups_.size() == plan_.groups; }
  uint64_t scored() const { return groups_.size(); }
  EvalResult Result() const;  // Of the groups so far.

 private:
  struct Tally {
    Hash128 digest;
    uint64_t right = 0;
    uint64_t completions = 0;
    uint64_t tokens = 0;
  };

  const uint32_t stage_;
  const StagePlan plan_;
  std::map<uint32_t, Tally> groups_;  // By slot.
};

}  // namespace aha::coordinator
