#include "job/options.h"

#include <algorithm>

namespace aha {
namespace {

ProblemOptions ProblemOptionsOf(const v1::Generated& generated) {
  ProblemOptions options;
  for (const std::string& name : generated.kinds()) {
    // Names were checked when the job was resolved.
    if (const auto kind = ParseProblemKind(name); kind.ok()) {
      options.kinds.push_back(*kind);
    }
  }
  options.min_operations = generated.min_operations();
  options.max_operations = generated.max_operations();
  return options;
}

}  // namespace

PromptSourceOptions PromptOptions(const v1::Job& job, Split split) {
  PromptSourceOptions options;
  options.file = job.prompts().file();
  options.generator = ProblemOptionsOf(job.prompts().generated());
  options.seed = job.seed();
  options.split = split;
  options.shuffled_answers = job.prompts().shuffled_answers();
  const bool evaluates =
      std::any_of(job.stages().begin(), job.stages().end(),
                  [](const v1::Stage& s) { return s.type() == "eval"; });
  if (!options.file.empty() && split == Split::kTrain && !evaluates) {
    options.split = Split::kAll;
  }
  return options;
}

DocumentSourceOptions DocumentOptions(const v1::Job& job, const v1::Sft& sft) {
  DocumentSourceOptions options;
  options.file = sft.file();
  options.generator = ProblemOptionsOf(job.prompts().generated());
  options.mix = {sft.corpus().facts(), sft.corpus().terse(),
                 sft.corpus().worked(), sft.corpus().corrected()};
  options.seed = job.seed();
  return options;
}

AdvantageOptions AdvantageOptionsOf(const v1::Grpo& grpo) {
  AdvantageOptions options;
  if (const auto scale = ParseScaleRewards(grpo.scale_rewards()); scale.ok()) {
    options.scale = *scale;
  }
  return options;
}

LossOptions LossOptionsOf(const v1::Job& job, const v1::Grpo& grpo) {
  LossOptions options;
  if (const auto type = ParseLossType(grpo.loss_type()); type.ok()) {
    options.loss_type = *type;
  }
  if (const auto level = ParseImportanceLevel(grpo.importance_sampling_level());
      level.ok()) {
    options.importance = *level;
  }
  options.epsilon = grpo.epsilon();
  if (grpo.has_epsilon_high()) options.epsilon_high = grpo.epsilon_high();
  if (grpo.has_delta()) options.delta = grpo.delta();
  options.beta = grpo.beta();
  options.mask_truncated = grpo.mask_truncated_completions();
  options.max_completion_length = job.sampling().max_completion_length();
  return options;
}

LearningRateSchedule ScheduleOf(const v1::Optimizer& optimizer,
                                uint64_t total_steps) {
  LearningRateSchedule schedule;
  if (const auto type =
          LearningRateSchedule::ParseType(optimizer.lr_scheduler_type());
      type.ok()) {
    schedule.type = *type;
  }
  schedule.peak = optimizer.learning_rate();
  schedule.min_ratio = optimizer.min_lr_ratio();
  schedule.warmup_steps = static_cast<uint64_t>(optimizer.warmup_steps());
  schedule.total_steps = total_steps;
  return schedule;
}

}  // namespace aha
