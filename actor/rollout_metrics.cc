#include "actor/rollout_metrics.h"

namespace aha::actor {
namespace {

metrics::Counter Wait(metrics::Registry& metrics, const std::string& what) {
  return metrics.AddCounter("aha_wait_seconds_total",
                            "Seconds waited, by what was waited for.",
                            {{"waiting_for", what}});
}

metrics::Counter Finished(metrics::Registry& metrics,
                          const std::string& reason) {
  return metrics.AddCounter("aha_rollout_trajectories_total",
                            "Completions sampled, by how they ended.",
                            {{"finish_reason", reason}});
}

}  // namespace

RolloutMetrics::RolloutMetrics(metrics::Registry& metrics)
    : tokens_(metrics.AddCounter("aha_rollout_tokens_total",
                                 "Completion tokens sampled.")),
      stopped_(Finished(metrics, "stop")),
      cut_(Finished(metrics, "length")),
      passes_(metrics.AddCounter("aha_rollout_forward_passes_total",
                                 "Passes that made a token of each live "
                                 "sequence.")),
      stage_(metrics.AddGauge("aha_actor_policy_stage",
                              "Stage of the loaded weights.")),
      version_(metrics.AddGauge("aha_actor_policy_version",
                                "Version of the loaded weights.")),
      bytes_(metrics.AddCounter("aha_weights_received_bytes_total",
                                "Bytes of weights received.")),
      mismatches_(metrics.AddCounter(
          "aha_weights_digest_mismatches_total",
          "Pieces or versions of weights whose hash did not agree; refused.")),
      lease_wait_(Wait(metrics, "lease")),
      weights_wait_(Wait(metrics, "weights")),
      credit_wait_(Wait(metrics, "reward_credit")) {}

void RolloutMetrics::Sampled(const Sample& sample) {
  (sample.finish_reason == FinishReason::kStop ? stopped_ : cut_).Increment();
}

void RolloutMetrics::Stepped(int64_t tokens) {
  tokens_.Increment(static_cast<double>(tokens));
  passes_.Increment();
}

void RolloutMetrics::Swapped(const WeightsId& id) {
  stage_.Set(id.stage);
  version_.Set(static_cast<double>(id.version));
}

void RolloutMetrics::Waited(const std::string& what, absl::Duration took) {
  const metrics::Counter& counter = what == "lease"     ? lease_wait_
                                    : what == "weights" ? weights_wait_
                                                        : credit_wait_;
  counter.Increment(absl::ToDoubleSeconds(took));
}

void RolloutMetrics::ReceivedBytes(uint64_t bytes) {
  bytes_.Increment(static_cast<double>(bytes));
}

void RolloutMetrics::Mismatched() { mismatches_.Increment(); }

}  // namespace aha::actor
