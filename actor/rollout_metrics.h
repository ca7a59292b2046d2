// The Prometheus series of an actor.
#pragma once

#include <cstdint>
#include <string>

#include "absl/time/time.h"
#include "job/ids.h"
#include "model/generator.h"
#include "rpc/metrics.h"

namespace aha::actor {

// Thread-safe.
class RolloutMetrics {
 public:
  explicit RolloutMetrics(rpc::Metrics& metrics);

  void Sampled(const Sample& sample);
  void Stepped(int64_t tokens);
  void Swapped(const WeightsId& id);
  // `what`: "lease", "weights" or "reward_credit".
  void Waited(const std::string& what, absl::Duration took);
  void ReceivedBytes(uint64_t bytes);
  void Mismatched();

 private:
  rpc::Counter tokens_;
  rpc::Counter stopped_;
  rpc::Counter cut_;
  rpc::Counter passes_;
  rpc::Gauge stage_;
  rpc::Gauge version_;
  rpc::Counter bytes_;
  rpc::Counter mismatches_;
  rpc::Counter lease_wait_;
  rpc::Counter weights_wait_;
  rpc::Counter credit_wait_;
};

}  // namespace aha::actor
