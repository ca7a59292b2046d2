#include "job/options.h"

#include "absl/algorithm/container.h"
#include "base/status.h"
#include "job/stages/stage_kind.h"
#include "rewards/verifier.h"

namespace aha {
namespace {

absl::StatusOr<ExerciseOptions> ExerciseOptionsOf(
    const v1::Generated& generated) {
  ExerciseOptions options;
  for (const std::string& name : generated.kinds()) {
    AHA_ASSIGN_OR_RETURN(options.kinds.emplace_back(), ParseExerciseKind(name));
  }
  options.min_operations = generated.min_operations();
  options.max_operations = generated.max_operations();
  return options;
}

bool UsesHeldOutPrompts(const StageKind& kind) {
  return kind.traits().prompts == PromptUse::kHeldOutInOrder;
}

// Whether a reward reads the reference answer.
bool NeedsAnswers(const v1::Job& job) {
  return absl::c_any_of(job.rewards(), [](const v1::RewardComponent& reward) {
    const auto spec = rewards::FindVerifier(reward.type());
    return spec.ok() && absl::c_linear_search((*spec)->needs, "answer");
  });
}

}  // namespace

bool HasPromptFiles(const v1::Prompts& prompts) {
  return prompts.has_file() || prompts.files_size() > 0;
}

rewards::VerifierSettings VerifierSettingsOf(
    const v1::Job& job, const v1::RewardComponent& reward) {
  const int64_t max_length = reward.has_max_length()
                                 ? reward.max_length()
                                 : job.sampling().max_completion_length();
  return {.tolerance = reward.tolerance(),
          .relative_tolerance = reward.relative_tolerance(),
          .pattern = reward.pattern(),
          .max_length = max_length,
          .cache_length = reward.has_cache_length() ? reward.cache_length()
                                                    : max_length / 5,
          .ngram_size = reward.ngram_size(),
          .script = reward.script()};
}

PromptMapping PromptMappingOf(const v1::Job& job) {
  const v1::RowFields& fields = job.prompts().fields();
  const v1::AnswerExtract& extract = job.prompts().extract();
  return {.fields = {.prompt = fields.prompt(),
                     .answer = fields.answer(),
                     .id = fields.id(),
                     .system = fields.system()},
          .extract = {.after = extract.after(),
                      .boxed = extract.boxed(),
                      .regex = extract.regex()},
          .answer_required = NeedsAnswers(job)};
}

absl::string_view PromptsKey(const v1::Job& job, Split split) {
  const v1::Prompts& prompts = job.prompts();
  if (split == Split::kEval && prompts.has_eval_file()) {
    return "prompts.eval_file";
  }
  if (prompts.has_file()) return "prompts.file";
  return prompts.files_size() > 0 ? "prompts.files" : "prompts";
}

absl::StatusOr<PromptSourceOptions> PromptOptions(const v1::Job& job,
                                                  Split split) {
  PromptSourceOptions options;
  const v1::Prompts& prompts = job.prompts();
  const bool from_eval_file = split == Split::kEval && prompts.has_eval_file();
  if (from_eval_file) {
    options.files.paths = {prompts.eval_file()};
  } else if (prompts.has_file()) {
    options.files.paths = {prompts.file()};
  } else {
    options.files.paths.assign(prompts.files().begin(), prompts.files().end());
  }
  options.files.mapping = PromptMappingOf(job);
  options.files.skip_bad_rows = prompts.on_bad_row() == "skip";
  AHA_ASSIGN_OR_RETURN(options.generator,
                       ExerciseOptionsOf(job.prompts().generated()));
  options.seed = job.seed();
  options.split = split;
  // Answers that are shuffled would be no accuracy.
  options.shuffled_answers =
      prompts.shuffled_answers() && split != Split::kEval;
  const bool nothing_held_out =
      !options.files.paths.empty() &&
      (prompts.has_eval_file() || !AnyStage(job, UsesHeldOutPrompts));
  if (from_eval_file || (split == Split::kTrain && nothing_held_out)) {
    options.split = Split::kAll;
  }
  return options;
}

absl::StatusOr<DocumentSourceOptions> DocumentOptions(const v1::Job& job,
                                                      const v1::Sft& sft) {
  DocumentSourceOptions options;
  options.file = sft.file();
  AHA_ASSIGN_OR_RETURN(options.generator,
                       ExerciseOptionsOf(job.prompts().generated()));
  options.mix = {.facts = sft.corpus().facts(),
                 .terse = sft.corpus().terse(),
                 .worked = sft.corpus().worked(),
                 .corrected = sft.corpus().corrected()};
  options.seed = job.seed();
  return options;
}

absl::StatusOr<std::unique_ptr<PromptSource>> OpenPrompts(const v1::Job& job,
                                                          Split split) {
  AHA_ASSIGN_OR_RETURN(const PromptSourceOptions options,
                       PromptOptions(job, split));
  return MakePromptSource(options);
}

absl::StatusOr<std::unique_ptr<DocumentSource>> OpenDocuments(
    const v1::Job& job, const v1::Sft& sft) {
  AHA_ASSIGN_OR_RETURN(const DocumentSourceOptions options,
                       DocumentOptions(job, sft));
  return MakeDocumentSource(options);
}

absl::StatusOr<AdvantageOptions> AdvantageOptionsOf(const v1::Grpo& grpo) {
  AdvantageOptions options;
  AHA_ASSIGN_OR_RETURN(options.estimator,
                       ParseAdvantageEstimator(grpo.advantage_estimator()));
  AHA_ASSIGN_OR_RETURN(options.scale, ParseScaleRewards(grpo.scale_rewards()));
  AHA_RETURN_IF_ERROR(options.Validate());
  return options;
}

absl::StatusOr<LossOptions> LossOptionsOf(const v1::Job& job,
                                          const v1::Grpo& grpo) {
  LossOptions options;
  AHA_ASSIGN_OR_RETURN(options.loss_type, ParseLossType(grpo.loss_type()));
  AHA_ASSIGN_OR_RETURN(options.importance,
                       ParseImportanceLevel(grpo.importance_sampling_level()));
  options.epsilon = grpo.epsilon();
  if (grpo.has_epsilon_high()) options.epsilon_high = grpo.epsilon_high();
  if (grpo.has_delta()) options.delta = grpo.delta();
  options.beta = grpo.beta();
  options.mask_truncated = grpo.mask_truncated_completions();
  options.max_completion_length = job.sampling().max_completion_length();
  AHA_RETURN_IF_ERROR(options.Validate());
  return options;
}

absl::StatusOr<LearningRateSchedule> ScheduleOf(const v1::Optimizer& optimizer,
                                                uint64_t total_steps) {
  LearningRateSchedule schedule;
  AHA_ASSIGN_OR_RETURN(schedule.type, LearningRateSchedule::ParseType(
                                          optimizer.lr_scheduler_type()));
  schedule.peak = optimizer.learning_rate();
  schedule.min_ratio = optimizer.min_lr_ratio();
  schedule.warmup_steps = static_cast<uint64_t>(optimizer.warmup_steps());
  schedule.total_steps = total_steps;
  AHA_RETURN_IF_ERROR(schedule.Validate());
  return schedule;
}

}  // namespace aha
