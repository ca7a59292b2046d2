#include "coordinator/summary.h"

#include <sys/resource.h>

#include <algorithm>
#include <nlohmann/json.hpp>
#include <numeric>

namespace aha::coordinator {
namespace {

using nlohmann::json;

json EvalJson(const EvalRecord& eval, const JobPlan& plan) {
  return {{"stage", plan.stages[eval.stage].name},
          {"prompts", eval.prompts},
          {"pass_at_1", eval.pass_at_1},
          {"mean_completion_length", eval.mean_completion_length}};
}

// "before": the first eval that training followed; "after": the last that
// followed training.
json BeforeAndAfter(const SummaryInput& input) {
  const std::vector<StagePlan>& stages = input.plan->stages;
  const auto trains = [](const StagePlan& stage) { return stage.trains(); };
  json eval = json::object();
  for (const auto& [stage, record] : input.evals) {
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

// This process's; who supervises more processes writes the sum over it.
uint64_t PeakBytes() {
  rusage usage{};
  getrusage(RUSAGE_SELF, &usage);
  return static_cast<uint64_t>(usage.ru_maxrss) * 1024;
}

json StagesJson(const SummaryInput& input) {
  json stages = json::array();
  for (size_t i = 0; i < input.plan->stages.size(); ++i) {
    const StagePlan& stage = input.plan->stages[i];
    uint64_t done = i < input.position.stage ? stage.units() : 0;
    if (i == input.position.stage && stage.trains()) done = input.position.step;
    stages.push_back({{"name", stage.name},
                      {"type", TypeName(stage.type)},
                      {"seconds", input.stage_seconds[i]},
                      {"steps_done", done},
                      {"steps_total", stage.units()},
                      {"done", i < input.position.stage}});
  }
  return stages;
}

}  // namespace

std::string SummaryJson(const SummaryInput& input) {
  const std::vector<double>& seconds = input.stage_seconds;
  json summary = {
      {"job", input.plan->job.name()},
      {"state", input.state},
      {"seconds", std::accumulate(seconds.begin(), seconds.end(), 0.0)},
      {"steps", input.totals.steps},
      {"checksum", input.position.chain.Hex()},
      {"weights_checksum", input.position.weights.Hex()},
      {"stages", StagesJson(input)},
      {"exact",
       {{"tokens_compared", input.totals.tokens_compared},
        {"tokens_differing", input.totals.tokens_differing}}},
      {"rollout_tokens_per_second", RolloutRate(input)},
      {"train_tokens_per_second", input.train_tokens_per_second},
      {"peak_rss_bytes", PeakBytes()}};
  if (!input.problem.empty()) summary["problem"] = input.problem;
  summary["eval"] = BeforeAndAfter(input);
  return summary.dump(2, ' ', false, json::error_handler_t::replace) + "\n";
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
