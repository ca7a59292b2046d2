#include "coordinator/stage_results.h"

namespace aha::coordinator {

std::map<std::string, double> FiguresOf(const EvalRecord& eval) {
  return {{"prompts", static_cast<double>(eval.prompts)},
          {"pass_at_1", eval.pass_at_1},
          {"mean_completion_length", eval.mean_completion_length}};
}

std::map<std::string, double> FiguresOf(const DatasetRecord& dataset,
                                        const v1::Job& job) {
  const auto completions = static_cast<double>(dataset.completions);
  std::map<std::string, double> figures = {
      {"prompts", static_cast<double>(dataset.prompts)},
      {"completions", completions},
      {"mean_completion_length",
       completions > 0 ? static_cast<double>(dataset.tokens) / completions
                       : 0}};
  if (const auto reward = MeanReward(dataset, job)) figures["reward"] = *reward;
  return figures;
}

std::optional<double> MeanReward(const DatasetRecord& dataset,
                                 const v1::Job& job) {
  if (dataset.completions == 0 || job.rewards().empty()) return std::nullopt;
  return dataset.reward_sum / static_cast<double>(dataset.completions);
}

}  // namespace aha::coordinator
