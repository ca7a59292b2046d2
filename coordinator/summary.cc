#include "coordinator/summary.h"

#include <sys/resource.h>

#include <algorithm>
#include <numeric>

#include "run/summary.h"

namespace aha::coordinator {
namespace {

run::EvalOutcome OutcomeOf(const EvalRecord& eval, const JobPlan& plan) {
  return {.stage = plan.stages[eval.stage].name,
          .prompts = eval.prompts,
          .pass_at_1 = eval.pass_at_1,
          .mean_completion_length = eval.mean_completion_length};
}

void AddEvals(const SummaryInput& input, run::Summary* summary) {
  const std::vector<StagePlan>& stages = input.plan->stages;
  const auto trains = [](const StagePlan& stage) { return stage.trains(); };
  for (const auto& [stage, record] : input.evals) {
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
  double tokens = static_cast<double>(input.totals.tokens);
  for (const auto& [stage, eval] : input.evals) {
    tokens += static_cast<double>(eval.tokens);
  }
  for (size_t i = 0; i < input.plan->stages.size(); ++i) {
    if (input.plan->stages[i].type != StageType::kSft) {
      seconds += input.stage_seconds[i];
    }
  }
  return seconds > 0 ? tokens / seconds : 0;
}

// Of this process; `ahactl run` replaces it by the sum over its cluster.
uint64_t PeakBytes() {
  rusage usage{};
  getrusage(RUSAGE_SELF, &usage);
  return static_cast<uint64_t>(usage.ru_maxrss) * 1024;
}

std::vector<run::SummaryStage> StagesOf(const SummaryInput& input) {
  std::vector<run::SummaryStage> stages;
  for (size_t i = 0; i < input.plan->stages.size(); ++i) {
    const StagePlan& stage = input.plan->stages[i];
    const bool done = i < input.position.stage;
    const bool halfway = i == input.position.stage && stage.trains();
    stages.push_back({.name = stage.name,
                      .type = TypeName(stage.type),
                      .seconds = input.stage_seconds[i],
                      .steps_done = done      ? stage.units()
                                    : halfway ? input.position.step
                                              : 0,
                      .steps_total = stage.units(),
                      .done = done});
  }
  return stages;
}

}  // namespace

std::string SummaryJson(const SummaryInput& input) {
  const std::vector<double>& seconds = input.stage_seconds;
  run::Summary summary;
  summary.job = input.plan->job.name();
  summary.state = run::ParseState(input.state);
  summary.seconds = std::accumulate(seconds.begin(), seconds.end(), 0.0);
  summary.steps = input.totals.steps;
  summary.checksum = input.position.chain.Hex();
  summary.weights_checksum = input.position.weights.Hex();
  summary.stages = StagesOf(input);
  AddEvals(input, &summary);
  summary.tokens_compared = input.totals.tokens_compared;
  summary.tokens_differing = input.totals.tokens_differing;
  summary.rollout_tokens_per_second = RolloutRate(input);
  summary.train_tokens_per_second = input.train_tokens_per_second;
  summary.peak_rss_bytes = PeakBytes();
  summary.problem = input.problem;
  return run::SummaryText(summary);
}

void AddEvalMetrics(uint32_t stage, const std::map<uint32_t, EvalRecord>& evals,
                    const std::optional<EvalBoard>& running,
                    v1::StageStatus& shown) {
  auto& metrics = *shown.mutable_metrics();
  if (const auto it = evals.find(stage); it != evals.end()) {
    metrics["prompts"] = static_cast<double>(it->second.prompts);
    metrics["pass_at_1"] = it->second.pass_at_1;
    metrics["mean_completion_length"] = it->second.mean_completion_length;
  } else if (running.has_value() && shown.running()) {
    const EvalResult result = running->Result();
    metrics["prompts"] = static_cast<double>(result.prompts);
    metrics["pass_at_1"] = result.pass_at_1;
    metrics["mean_completion_length"] = result.mean_completion_length;
  }
}

}  // namespace aha::coordinator
