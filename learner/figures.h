// The metrics of a learner process, as Prometheus series.
//
//   aha_learner_steps_total              steps that this rank trained
//   aha_train_tokens_total               prompt and completion tokens of them
//   aha_learner_policy_version           version of the weights in memory
//   aha_wait_seconds_total{waiting_for}  next_stage, rendezvous, begin_step,
//                                        groups
//   aha_step_collectives_seconds         collectives of a step
//   aha_checkpoint_writes_total{result}  ok, failed; of this rank's part
//   aha_learner_optimizer_bytes          optimizer state that this rank holds
//
// Thread-safe.
#pragma once

#include <atomic>

#include "base/clock.h"
#include "learner/learner.h"
#include "metrics/registry.h"

namespace aha::learner {

class Figures {
 public:
  // `metrics` must outlive it.
  Figures(metrics::Registry* metrics, Clock clock);

  // The functions that the Learner calls.  REQUIRES: this outlives the Learner.
  LearnerGauges Gauges();
  // The rate of the latest step, from commit to commit.
  double tokens_per_second() const { return tokens_per_second_; }

 private:
  void StepDone(const StepResult& step);

  metrics::Registry& metrics_;
  const Clock clock_;
  metrics::Counter steps_, tokens_;
  metrics::Counter checkpoints_, failed_checkpoints_;
  metrics::Gauge version_, optimizer_bytes_;
  metrics::Histogram collectives_;
  absl::Time last_step_;
  std::atomic<double> tokens_per_second_{0};
};

}  // namespace aha::learner
