#include "job/stages/checks.h"

#include "absl/strings/str_cat.h"

namespace aha {
namespace {

constexpr double kMinTemperature = 1e-3;  // See SamplingParams::Validate.
// Completions of one step, or of a stage that does not train.
constexpr int64_t kMaxCompletions = 1 << 20;
// Tokens of one group, which is one message of at most 64 MiB: 16 bytes each
// for a token's id, its log-probability and its text.
constexpr int64_t kMaxTokensOfGroup = 4 << 20;

void CheckLength(const v1::Job& job, const v1::Sampling& sampling,
                 absl::string_view path, int64_t context,
                 absl::string_view name_of_context, ConfigErrors* errors) {
  const int64_t prompt = job.prompts().max_prompt_length();
  const int64_t completion = sampling.max_completion_length();
  if (prompt + completion <= context) return;
  errors->Add(ChildPath(path, "max_completion_length"),
              absl::StrCat("with prompts.max_prompt_length must be at most ",
                           name_of_context, " (", context, "), got ",
                           completion, " + ", prompt));
}

}  // namespace

void CheckOptimizer(const v1::Optimizer& optimizer, int64_t steps,
                    const std::string& path, ConfigErrors* errors) {
  if (optimizer.warmup_steps() > steps) {
    errors->Add(ChildPath(path, "warmup_steps"),
                absl::StrCat("must be at most the stage's steps (", steps,
                             "), got ", optimizer.warmup_steps()));
  }
  if (optimizer.adam_beta1() >= 1) {
    errors->Add(ChildPath(path, "adam_beta1"), "must be below 1, got 1");
  }
  if (optimizer.adam_beta2() >= 1) {
    errors->Add(ChildPath(path, "adam_beta2"), "must be below 1, got 1");
  }
}

void CheckGroups(const StageRef& at, const GroupCounts& counts,
                 ConfigErrors* errors) {
  const std::string path = at.settings_path();
  if (counts.prompts * counts.num_generations > kMaxCompletions) {
    errors->Add(
        ChildPath(path, counts.prompts_key),
        absl::StrCat("times num_generations must be at most ", kMaxCompletions,
                     ", got ", counts.prompts, " x ", counts.num_generations));
  }
  if (counts.num_generations * counts.max_completion_length >
      kMaxTokensOfGroup) {
    errors->Add(
        ChildPath(path, "num_generations"),
        absl::StrCat("times sampling.max_completion_length must be at most ",
                     kMaxTokensOfGroup, ", got ", counts.num_generations, " x ",
                     counts.max_completion_length));
  }
}

void CheckContext(const v1::Job& job, const v1::Sampling& sampling,
                  absl::string_view path, ConfigErrors* errors) {
  // CheckInputs looks at the model of a directory.
  if (job.model().has_path() || !job.model().has_architecture()) return;
  CheckLength(job, sampling, path,
              job.model().architecture().max_position_embeddings(),
              "model.architecture.max_position_embeddings", errors);
}

void CheckContext(const v1::Job& job, const v1::Sampling& sampling,
                  absl::string_view path, const JobInputs& inputs,
                  ConfigErrors* errors) {
  if (!inputs.context.has_value()) return;
  CheckLength(job, sampling, path, *inputs.context,
              absl::StrCat(inputs.context_rule, " of the model in model.path"),
              errors);
}

void CheckTemperature(const v1::Sampling& sampling, absl::string_view path,
                      ConfigErrors* errors) {
  const double temperature = sampling.temperature();
  if (temperature > 0 && temperature < kMinTemperature) {
    errors->Add(
        ChildPath(path, "temperature"),
        absl::StrCat("must be 0 or at least ", NumberText(kMinTemperature),
                     ", got ", NumberText(temperature)));
  }
}

void FillSampling(const v1::Job& job, v1::Sampling* sampling) {
  v1::Sampling filled = job.sampling();
  filled.MergeFrom(*sampling);
  *sampling = filled;
}

void CheckSampling(const StageRef& at, const SamplingSettings& settings,
                   ConfigErrors* errors) {
  const std::string path = ChildPath(at.settings_path(), "sampling");
  CheckContext(at.job, settings.sampling, path, errors);
  CheckTemperature(settings.sampling, path, errors);
  CheckGroups(
      at,
      {.prompts_key = "prompts",
       .prompts = settings.prompts,
       .num_generations = settings.num_generations,
       .max_completion_length = settings.sampling.max_completion_length()},
      errors);
}

void CheckPromptCount(const StageRef& at, const SamplingSettings& settings,
                      std::optional<uint64_t> available,
                      absl::string_view description, ConfigErrors* errors) {
  const auto wanted = static_cast<uint64_t>(settings.prompts);
  if (!available.has_value() || wanted <= *available) return;
  errors->Add(ChildPath(at.settings_path(), "prompts"),
              absl::StrCat("must be at most ", *available, ", the number of ",
                           description, ", got ", wanted));
}

void PlanSampling(const SamplingSettings& settings, StagePlan* plan) {
  plan->groups = static_cast<uint32_t>(settings.prompts);
  plan->num_generations = static_cast<uint32_t>(settings.num_generations);
  plan->sampling = settings.sampling;
}

}  // namespace aha
