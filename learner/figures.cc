#include "learner/figures.h"

#include <utility>

namespace aha::learner {
namespace {

constexpr char kWait[] = "aha_wait_seconds_total";
constexpr char kWaitHelp[] = "Seconds waited, by what was waited for.";

metrics::Counter CheckpointWrites(metrics::Registry& metrics,
                                  const char* result) {
  return metrics.AddCounter("aha_checkpoint_writes_total",
                            "Checkpoints that this rank wrote, by outcome.",
                            {{"result", result}});
}

}  // namespace

Figures::Figures(metrics::Registry* metrics, Clock clock)
    : metrics_(*metrics),
      clock_(std::move(clock)),
      steps_(metrics_.AddCounter("aha_learner_steps_total",
                                 "Optimizer steps that this rank trained.")),
      tokens_(metrics_.AddCounter(
          "aha_train_tokens_total",
          "Prompt and completion tokens of the trained steps, all ranks'.")),
      checkpoints_(CheckpointWrites(metrics_, "ok")),
      failed_checkpoints_(CheckpointWrites(metrics_, "failed")),
      version_(metrics_.AddGauge("aha_learner_policy_version",
                                 "Version of the weights in memory.")),
      optimizer_bytes_(metrics_.AddGauge(
          "aha_learner_optimizer_bytes",
          "Bytes of the optimizer's state that this rank holds, its shard.")),
      collectives_(metrics_.AddHistogram(
          "aha_step_collectives_seconds",
          "Seconds a step spent in collectives, waiting included.",
          {0.001, 0.01, 0.1, 0.5, 1, 5, 30, 120})),
      last_step_(clock_()) {
  for (const char* what :
       {"next_stage", "rendezvous", "begin_step", "groups"}) {
    metrics_.AddCounter(kWait, kWaitHelp, {{"waiting_for", what}});
  }
}

void Figures::StepDone(const StepResult& step) {
  steps_.Increment();
  tokens_.Increment(static_cast<double>(step.tokens));
  const absl::Time now = clock_();
  const double seconds = absl::ToDoubleSeconds(now - last_step_);
  last_step_ = now;
  if (seconds > 0) {
    tokens_per_second_ = static_cast<double>(step.tokens) / seconds;
  }
}

LearnerGauges Figures::Gauges() {
  return {.step_done = [this](const StepResult& step) { StepDone(step); },
          .version =
              [this](uint64_t version) {
                version_.Set(static_cast<double>(version));
              },
          .waited =
              [this](const std::string& what, absl::Duration waited) {
                metrics_.AddCounter(kWait, kWaitHelp, {{"waiting_for", what}})
                    .Increment(absl::ToDoubleSeconds(waited));
              },
          .collectives =
              [this](absl::Duration spent) {
                collectives_.Observe(absl::ToDoubleSeconds(spent));
              },
          .checkpoint =
              [this](bool ok) {
                (ok ? checkpoints_ : failed_checkpoints_).Increment();
              },
          .memory =
              [this](const StateMemory& memory) {
                optimizer_bytes_.Set(static_cast<double>(memory.optimizer));
              }};
}

}  // namespace aha::learner
