// What the settings of several stage kinds have in common: optimizers, groups
// and sampling; internal to job/.
// Pure functions.
#pragma once

#include <cstdint>
#include <string>

#include "absl/strings/string_view.h"
#include "aha/v1/job.pb.h"
#include "job/config_errors.h"
#include "job/plan.h"
#include "job/stages/stage_kind.h"

namespace aha {

// `path` is that of the optimizer, `steps` the number of steps of the stage.
void CheckOptimizer(const v1::Optimizer& optimizer, int64_t steps,
                    const std::string& path, ConfigErrors* errors);

// What one step of a stage samples, or a stage that does not train.
struct GroupCounts {
  std::string prompts_key;  // "prompts_per_step"
  int64_t prompts = 0;
  int64_t num_generations = 0;
  int64_t max_completion_length = 0;
};
void CheckGroups(const StageRef& at, const GroupCounts& counts,
                 ConfigErrors* errors);

// Whether prompt and completion fit into the context of a model whose shape the
// job file gives.  `path` is that of `sampling`.
void CheckContext(const v1::Job& job, const v1::Sampling& sampling,
                  absl::string_view path, ConfigErrors* errors);
// Does the same check for a model that is read from a directory, whose longest
// context is known only then.
void CheckContext(const v1::Job& job, const v1::Sampling& sampling,
                  absl::string_view path, const JobInputs& inputs,
                  ConfigErrors* errors);
void CheckTemperature(const v1::Sampling& sampling, absl::string_view path,
                      ConfigErrors* errors);

// The settings of a stage that samples and does not train, as v1::Eval and
// v1::Sample have them.
struct SamplingSettings {
  int64_t prompts = 0;
  int64_t num_generations = 0;
  const v1::Sampling& sampling;
};
template <class Settings>
SamplingSettings SamplingSettingsOf(const Settings& settings) {
  return {.prompts = settings.prompts(),
          .num_generations = settings.num_generations(),
          .sampling = settings.sampling()};
}

// Sets each key of `sampling` that the stage leaves out to the job's.
void FillSampling(const v1::Job& job, v1::Sampling* sampling);
void CheckSampling(const StageRef& at, const SamplingSettings& settings,
                   ConfigErrors* errors);
// `available` is the number of prompts that there are, which `description`
// describes: "held-out prompts".
void CheckPromptCount(const StageRef& at, const SamplingSettings& settings,
                      std::optional<uint64_t> available,
                      absl::string_view description, ConfigErrors* errors);
void PlanSampling(const SamplingSettings& settings, StagePlan* plan);

}  // namespace aha
