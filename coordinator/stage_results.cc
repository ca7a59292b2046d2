#include "coordinator/stage_results.h"

#include "absl/strings/str_cat.h"

namespace aha::coordinator {

std::map<std::string, double> FiguresOf(const EvalRecord& eval) {
  return {{"prompts", static_cast<double>(eval.prompts)},
          {"pass_at_1", eval.pass_at_1},
          {"mean_completion_length", eval.mean_completion_length}};
}

std::map<std::string, double> FiguresOf(const DatasetRecord& dataset) {
  const auto completions = static_cast<double>(dataset.completions);
  const double length =
      completions > 0 ? static_cast<double>(dataset.tokens) / completions : 0;
  return {{"prompts", static_cast<double>(dataset.prompts)},
          {"completions", completions},
          {"reward", MeanReward(dataset)},
          {"mean_completion_length", length}};
}

double MeanReward(const DatasetRecord& dataset) {
  return dataset.completions > 0
             ? dataset.reward_sum / static_cast<double>(dataset.completions)
             : 0;
}

std::string DatasetFile(const StagePlan& stage) {
  return absl::StrCat("datasets/", stage.name, ".jsonl");
}

}  // namespace aha::coordinator
