// The rewards of a whole step, which every rank needs to normalise its own.
#pragma once

#include <cstdint>
#include <map>
#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "absl/types/span.h"
#include "aha/v1/rollout.pb.h"
#include "comm/communicator.h"

namespace aha::learner {

struct StepRewards {
  // For each slot, row 0 has the rewards and each other row the values of one
  // part; a row has a value for each sample.
  std::vector<std::vector<std::vector<double>>> by_slot;
  std::vector<std::string> part_names;
  std::vector<double> all;  // Rewards in order of slot and sample.
  double deviation = 0;     // RewardDeviation of all of them.

  absl::Span<const double> OfSlot(uint32_t slot) const {
    return by_slot[slot][0];
  }
  // reward, reward_std, rewards/<part>/mean and /std, frac_reward_zero_std.
  void FillMetrics(std::map<std::string, double>* metrics) const;
};

// INTERNAL unless each of `slots` slots belongs to exactly one rank.
absl::StatusOr<StepRewards> ExchangeRewards(
    uint32_t slots, int ddof, absl::Span<const v1::ScoredGroup* const> groups,
    comm::Communicator& comm);

}  // namespace aha::learner
