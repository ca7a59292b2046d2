#include "coordinator/prompts.h"

#include <map>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "absl/strings/str_cat.h"
#include "base/status.h"
#include "data/sources.h"
#include "job/options.h"
#include "rl/schedule.h"

namespace aha::coordinator {
namespace {

using Sources = std::map<Split, std::shared_ptr<const PromptSource>>;

Split SplitFor(PromptUse use) {
  return use == PromptUse::kHeldOutInOrder ? Split::kEval : Split::kTrain;
}

absl::StatusOr<std::shared_ptr<const PromptSource>> Open(const JobPlan& plan,
                                                         Split split) {
  absl::StatusOr<std::unique_ptr<PromptSource>> source =
      OpenPrompts(plan.job, split);
  if (source.ok())
    return std::shared_ptr<const PromptSource>(*std::move(source));
  // INVALID_ARGUMENT, also if the file does not exist: to start again does not
  // help.
  return absl::InvalidArgumentError(absl::StrCat(
      PromptsKey(plan.job, split), ": ", source.status().message()));
}

// What was found in the files of the sources.
std::vector<run::DataSummary> Describe(const JobPlan& plan,
                                       const Sources& sources) {
  std::vector<run::DataSummary> data;
  for (const auto& [split, source] : sources) {
    const LoadReport* const report = source->report();
    if (report == nullptr) continue;
    run::DataSummary& summary = data.emplace_back();
    summary.key = std::string(PromptsKey(plan.job, split));
    summary.use = split == Split::kEval ? "held_out" : "training";
    summary.rows = report->rows;
    summary.prompts = source->count();
    for (const auto& [cause, skipped] : report->skipped) {
      summary.skipped.emplace_back(cause, skipped.count);
    }
    if (split == Split::kEval && sources.contains(Split::kTrain)) {
      summary.also_in_training =
          CountShared(*sources.at(Split::kTrain), *source);
    }
  }
  return data;
}

// Of the stage's slots, prompts in order: there must be one for each.
absl::Status CheckCount(const StagePlan& stage, size_t index,
                        const PromptSource& source) {
  if (stage.traits.prompts == PromptUse::kTrainingShuffled ||
      stage.groups <= source.count()) {
    return absl::OkStatus();
  }
  const bool held_out = stage.traits.prompts == PromptUse::kHeldOutInOrder;
  return absl::InvalidArgumentError(absl::StrCat(
      "stages[", index, "].", stage.kind, ".prompts: must be at most ",
      source.count(), ", the number of ", held_out ? "held-out" : "training",
      " prompts, got ", stage.groups));
}

}  // namespace

absl::StatusOr<PromptFunction> MakePrompts(
    const JobPlan& plan, std::vector<run::DataSummary>* data) {
  Sources sources;
  for (size_t i = 0; i < plan.stages.size(); ++i) {
    const StagePlan& stage = plan.stages[i];
    if (!stage.samples()) continue;
    const Split split = SplitFor(stage.traits.prompts);
    if (!sources.contains(split)) {
      AHA_ASSIGN_OR_RETURN(sources[split], Open(plan, split));
    }
    AHA_RETURN_IF_ERROR(CheckCount(stage, i, *sources[split]));
  }
  if (data != nullptr) *data = Describe(plan, sources);
  const uint64_t seed = plan.job.seed();
  return PromptFunction([sources, seed, stages = plan.stages](
                            uint32_t stage, uint64_t step, uint32_t slot) {
    const StagePlan& of = stages[stage];
    const PromptSource& source = *sources.at(SplitFor(of.traits.prompts));
    const PromptOrder shuffled{.seed = seed,
                               .stage = stage,
                               .num_prompts = source.count(),
                               .prompts_per_step = of.groups};
    Prompt prompt = source.Get(of.traits.prompts == PromptUse::kTrainingShuffled
                                   ? PromptIndex(shuffled, step, slot)
                                   : slot);
    return SlotPrompt{.id = std::move(prompt.id),
                      .prompt = std::move(prompt.prompt),
                      .reference = std::move(prompt.reference),
                      .fields = std::move(prompt.fields),
                      .turns = std::move(prompt.turns)};
  });
}

}  // namespace aha::coordinator
