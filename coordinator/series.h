// The coordinator's Prometheus series, all at 0 from the start.
#pragma once

#include <map>
#include <string>

#include "rpc/metrics.h"

namespace aha::coordinator {

struct Series {
  Series() = default;  // Counts nothing, for tests.
  explicit Series(rpc::Metrics& metrics);

  rpc::Counter steps, checkpoints, groups_leased, groups_completed,
      groups_trained, leases_expired, tokens, tokens_compared, tokens_differing,
      weights_sent, weights_received, members_lost, rollbacks, problems;
  rpc::Gauge epoch, stage, policy_version, reward_mean, groups_pending,
      groups_in_flight, groups_delivered, actors, rewards, learners, paused;
  // By what is waited for: "members", "weights", "groups".
  std::map<std::string, rpc::Counter> waits;
};

}  // namespace aha::coordinator
