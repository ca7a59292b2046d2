#include "coordinator/prompts.h"

#include <memory>
#include <utility>

#include "absl/strings/str_cat.h"
#include "base/status.h"
#include "data/sources.h"
#include "job/options.h"
#include "rl/schedule.h"

namespace aha::coordinator {
namespace {

using Source = std::shared_ptr<const PromptSource>;

absl::StatusOr<Source> Load(const JobPlan& plan, StageType type, Split split) {
  for (const StagePlan& stage : plan.stages) {
    if (stage.type != type) continue;
    absl::StatusOr<std::unique_ptr<PromptSource>> source =
        OpenPrompts(plan.job, split);
    if (source.ok()) return Source(*std::move(source));
    // Starting again will not help, also not if the file is not there.
    return absl::InvalidArgumentError(
        absl::StrCat(plan.job.prompts().has_file() ? "prompts.file: " : "",
                     source.status().message()));
  }
  return Source();
}

}  // namespace

absl::StatusOr<PromptFunction> MakePrompts(const JobPlan& plan) {
  AHA_ASSIGN_OR_RETURN(const Source train,
                       Load(plan, StageType::kGrpo, Split::kTrain));
  AHA_ASSIGN_OR_RETURN(const Source eval,
                       Load(plan, StageType::kEval, Split::kEval));
  for (size_t i = 0; i < plan.stages.size(); ++i) {
    const StagePlan& stage = plan.stages[i];
    if (stage.type == StageType::kEval && stage.groups > eval->count()) {
      return absl::InvalidArgumentError(absl::StrCat(
          "stages[", i, "].eval.prompts: must be at most ", eval->count(),
          ", the number of held-out prompts, got ", stage.groups));
    }
  }
  const uint64_t seed = plan.job.seed();
  return PromptFunction([train, eval, seed, stages = plan.stages](
                            uint32_t stage, uint64_t step, uint32_t slot) {
    Prompt prompt;
    if (stages[stage].type == StageType::kEval) {
      prompt = eval->Get(slot);
    } else {
      const PromptOrder order{.seed = seed,
                              .stage = stage,
                              .num_prompts = train->count(),
                              .prompts_per_step = stages[stage].groups};
      prompt = train->Get(PromptIndex(order, step, slot));
    }
    return SlotPrompt{.id = std::move(prompt.id),
                      .prompt = std::move(prompt.prompt),
                      .reference = std::move(prompt.reference),
                      .fields = std::move(prompt.fields)};
  });
}

}  // namespace aha::coordinator
