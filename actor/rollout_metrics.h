// The Prometheus series of an actor.
#pragma once

#include <cstdint>
#include <string>

#include "absl/time/time.h"
#include "job/ids.h"
#include "metrics/registry.h"
#include "model/generator.h"

namespace aha::actor {

// Thread-safe.
class RolloutMetrics {
 public:
  explicit RolloutMetrics(metrics::Registry& metrics);

  void Sampled(const Sample& sample);
  void Stepped(int64_t tokens);
  void Swapped(const WeightsId& id);
  // `what`: "lease", "weights" or "reward_credit".
  void Waited(const std::string& what, absl::Duration took);
  void ReceivedBytes(uint64_t bytes);
  void Mismatched();

 private:
  metrics::Counter tokens_;
  metrics::Counter stopped_;
  metrics::Counter cut_;
  metrics::Counter passes_;
  metrics::Gauge stage_;
  metrics::Gauge version_;
  metrics::Counter bytes_;
  metrics::Counter mismatches_;
  metrics::Counter lease_wait_;
  metrics::Counter weights_wait_;
  metrics::Counter credit_wait_;
};

}  // namespace aha::actor
