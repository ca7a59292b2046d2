#include "coordinator/summary.h"

#include <sys/resource.h>

#include <algorithm>
#include <nlohmann/json.hpp>
#include <numeric>

#include "coordinator/stage_results.h"

namespace aha::coordinator {
namespace {

using nlohmann::json;

json EvalJson(const EvalRecord& eval, const JobPlan& plan) {
  return {{"stage", plan.stages[eval.stage].name},
          {"prompts", eval.prompts},
          {"pass_at_1", eval.pass_at_1},
          {"mean_completion_length", eval.mean_completion_length}};
}

// "before": the first evaluation that training followed; "after": the last one
// that followed training.
json BeforeAndAfter(const SummaryInput& input) {
  const std::vector<StagePlan>& stages = input.plan->stages;
  const auto trains = [](const StagePlan& stage) { return stage.trains(); };
  json eval = json::object();
  for (const auto& [stage, record] : input.history->evals()) {
    const auto here = stages.begin() + stage;
    if (!eval.contains("before") && std::any_of(here, stages.end(), trains)) {
      eval["before"] = EvalJson(record, *input.plan);
    }
    if (std::any_of(stages.begin(), here, trains)) {
      eval["after"] = EvalJson(record, *input.plan);
    }
  }
  return eval;
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

// Of this process; the supervisor of a local cluster writes the sum of all
// processes over it.
uint64_t PeakBytes() {
  rusage usage{};
  getrusage(RUSAGE_SELF, &usage);
  return static_cast<uint64_t>(usage.ru_maxrss) * 1024;
}

json DatasetJson(const DatasetRecord& dataset, const StagePlan& stage) {
  return {{"file", DatasetFile(stage)},
          {"prompts", dataset.prompts},
          {"completions", dataset.completions},
          {"mean_reward", MeanReward(dataset)},
          {"checksum", dataset.checksum.Hex()}};
}

uint64_t UnitsDone(const SummaryInput& input, size_t stage) {
  const Position& position = input.history->position();
  const StagePlan& plan = input.plan->stages[stage];
  if (stage < position.stage) return plan.units();
  // A stage that does not train is done as a whole.
  return stage == position.stage && plan.trains() ? position.step : 0;
}

json StagesJson(const SummaryInput& input) {
  json stages = json::array();
  for (uint32_t i = 0; i < input.plan->stages.size(); ++i) {
    const StagePlan& stage = input.plan->stages[i];
    json& shown = stages.emplace_back();
    shown = {{"name", stage.name},
             {"type", stage.kind},
             {"seconds", input.stage_seconds[i]},
             {"steps_done", UnitsDone(input, i)},
             {"steps_total", stage.units()},
             {"done", i < input.history->position().stage}};
    const auto dataset = input.history->datasets().find(i);
    if (dataset != input.history->datasets().end()) {
      shown["dataset"] = DatasetJson(dataset->second, stage);
    }
  }
  return stages;
}

}  // namespace

std::string SummaryJson(const SummaryInput& input) {
  const std::vector<double>& seconds = input.stage_seconds;
  const History& history = *input.history;
  json summary = {
      {"job", input.plan->job.name()},
      {"state", input.state},
      {"seconds", std::accumulate(seconds.begin(), seconds.end(), 0.0)},
      {"steps", history.totals().steps},
      {"checksum", history.position().chain.Hex()},
      {"weights_checksum", history.position().weights.Hex()},
      {"stages", StagesJson(input)},
      {"exact",
       {{"tokens_compared", history.totals().tokens_compared},
        {"tokens_differing", history.totals().tokens_differing}}},
      {"rollout_tokens_per_second", RolloutRate(input)},
      {"train_tokens_per_second", input.train_tokens_per_second},
      {"peak_rss_bytes", PeakBytes()}};
  if (!input.failure.empty()) summary["problem"] = input.failure;
  summary["eval"] = BeforeAndAfter(input);
  return summary.dump(2, ' ', false, json::error_handler_t::replace) + "\n";
}

}  // namespace aha::coordinator
