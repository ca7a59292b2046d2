#include "coordinator/summary.h"

#include <sys/resource.h>

#include <algorithm>
#include <numeric>
#include <optional>

#include "coordinator/stage_results.h"
#include "run/layout.h"
#include "run/summary.h"

namespace aha::coordinator {
namespace {

run::EvalOutcome OutcomeOf(const EvalRecord& eval, const JobPlan& plan) {
  return {.stage = plan.stages[eval.stage].name,
          .prompts = eval.prompts,
          .pass_at_1 = eval.pass_at_1,
          .mean_completion_length = eval.mean_completion_length};
}

run::DatasetOutcome OutcomeOf(const DatasetRecord& dataset,
                              const JobPlan& plan) {
  return {.file = run::DatasetFile(plan.stages[dataset.stage].name),
          .prompts = dataset.prompts,
          .completions = dataset.completions,
          .mean_reward = MeanReward(dataset, plan.job),
          .checksum = dataset.checksum.Hex()};
}

void AddEvals(const SummaryInput& input, run::Summary* summary) {
  const std::vector<StagePlan>& stages = input.plan->stages;
  const auto trains = [](const StagePlan& stage) { return stage.trains(); };
  for (const auto& [stage, record] : input.history->evals()) {
    const auto here = stages.begin() + stage;
    if (!summary->before.has_value() &&
        std::any_of(here, stages.end(), trains)) {
      summary->before = OutcomeOf(record, *input.plan);
    }
    if (std::any_of(stages.begin(), here, trains)) {
      summary->after = OutcomeOf(record, *input.plan);
    }
  }
}

// Sampled tokens a second, over the stages that sample.
double RolloutRate(const SummaryInput& input) {
  double seconds = 0;
  double tokens = static_cast<double>(input.history->totals().tokens);
  for (const auto& [stage, eval] : input.history->evals()) {
    tokens += static_cast<double>(eval.tokens);
  }
  for (const auto& [stage, dataset] : input.history->datasets()) {
    tokens += static_cast<double>(dataset.tokens);
  }
  for (size_t i = 0; i < input.plan->stages.size(); ++i) {
    if (input.plan->stages[i].samples()) seconds += input.stage_seconds[i];
  }
  return seconds > 0 ? tokens / seconds : 0;
}

// The peak of this process; `ahactl run` replaces it by the sum over its
// cluster.
uint64_t PeakBytes() {
  rusage usage{};
  getrusage(RUSAGE_SELF, &usage);
  return static_cast<uint64_t>(usage.ru_maxrss) * 1024;
}

uint64_t UnitsDone(const SummaryInput& input, size_t stage) {
  const Position& position = input.history->position();
  const StagePlan& plan = input.plan->stages[stage];
  if (stage < position.stage) return plan.units();
  // A stage that does not train is done as a whole.
  return stage == position.stage && plan.trains() ? position.step : 0;
}

std::vector<run::SummaryStage> StagesOf(const SummaryInput& input) {
  std::vector<run::SummaryStage> stages;
  for (uint32_t i = 0; i < input.plan->stages.size(); ++i) {
    const StagePlan& stage = input.plan->stages[i];
    run::SummaryStage& shown = stages.emplace_back();
    shown.name = stage.name;
    shown.type = stage.kind;
    shown.seconds = input.stage_seconds[i];
    shown.steps_done = UnitsDone(input, i);
    shown.steps_total = stage.units();
    shown.done = i < input.history->position().stage;
    const auto dataset = input.history->datasets().find(i);
    if (dataset != input.history->datasets().end()) {
      shown.dataset = OutcomeOf(dataset->second, *input.plan);
    }
  }
  return stages;
}

}  // namespace

std::string SummaryJson(const SummaryInput& input) {
  const std::vector<double>& seconds = input.stage_seconds;
  const History& history = *input.history;
  run::Summary summary;
  summary.job = input.plan->job.name();
  summary.state = input.state;
  summary.seconds = std::accumulate(seconds.begin(), seconds.end(), 0.0);
  summary.steps = history.totals().steps;
  summary.checksum = history.position().chain.Hex();
  summary.weights_checksum = history.position().weights.Hex();
  summary.stages = StagesOf(input);
  summary.data = input.data;
  AddEvals(input, &summary);
  summary.tokens_compared = history.totals().tokens_compared;
  summary.tokens_differing = history.totals().tokens_differing;
  summary.rollout_tokens_per_second = RolloutRate(input);
  summary.train_tokens_per_second = input.train_tokens_per_second;
  summary.peak_rss_bytes = PeakBytes();
  summary.problem = input.failure;
  summary.not_reproducible = input.not_reproducible;
  return run::SummaryText(summary);
}

}  // namespace aha::coordinator
