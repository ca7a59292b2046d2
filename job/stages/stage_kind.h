// The kinds of stages, as the job file knows them: what the settings of a stage
// may be and what they amount to.
//
// Code that reads a job never asks for a kind by its name.  It takes the plan
// of the job (job/plan.h), whose traits say what a stage does, or it calls the
// kind through this interface:
//
//   for (int i = 0; i < job.stages_size(); ++i) {
//     const StageRef at{job, i};
//     if (const StageKind* kind = FindStageKind(at.stage().type())) {
//       kind->Check(at, &errors);
//     }
//   }
//
// A new kind is a message of `Stage.settings` and a name of `Stage.type` in
// job.proto, one file in this folder that implements the interface, and one
// line in the table of stage_kind.cc.  What the coordinator and the learner do
// in such a stage stands in their folders stages/.
//
// Kinds have no state: all of this is thread-safe.
#pragma once

#include <cstdint>
#include <optional>
#include <string>

#include "absl/functional/function_ref.h"
#include "absl/strings/string_view.h"
#include "absl/types/span.h"
#include "aha/v1/job.pb.h"
#include "job/config_errors.h"
#include "job/plan.h"

namespace aha {

// A stage in its job.
struct StageRef {
  const v1::Job& job;
  int index = 0;

  const v1::Stage& stage() const { return job.stages(index); }
  // The path of the stage and that of its settings: "stages[1]" and
  // "stages[1].grpo".
  std::string path() const { return ItemPath("stages", index); }
  std::string settings_path() const {
    return ChildPath(path(), stage().type());
  }
};

// What the files that a job names turned out to hold.  A number is absent if it
// does not limit anything or if the file could not be read, which is an error
// of its own.
struct JobInputs {
  // The longest context of the model in model.path, in tokens.
  std::optional<int64_t> context = std::nullopt;
  // The key of its config.json that bounds the context, for error messages.
  std::string context_rule = {};
  std::optional<uint64_t> training_prompts = std::nullopt;
  std::optional<uint64_t> held_out_prompts = std::nullopt;
};

// What stages of a kind want of the job's `rewards`.
enum class RewardsNeed {
  kNone,      // They score nothing.
  kOptional,  // They score with the rewards that there are.
  kRequired,  // They need at least one reward.
};

class StageKind {
 public:
  virtual ~StageKind() = default;

  // The name: the value of `type` and the key of the settings.
  virtual absl::string_view name() const = 0;
  // What a stage of this kind does, as a phrase for `ahactl config explain`.
  virtual absl::string_view help() const = 0;
  virtual StageTraits traits() const = 0;
  virtual RewardsNeed rewards() const = 0;

  // Adds the settings that `stage` lacks and that are not plain scalars with a
  // default: messages, and what follows from other keys of the job.
  // REQUIRES: the stage has no settings, or settings of this kind.
  virtual void FillDefaults(const v1::Job& job, v1::Stage* stage) const = 0;
  // Whether the stage draws documents from the generator, which therefore needs
  // its settings (prompts.generated) even if the prompts come from a file.
  virtual bool UsesGenerator(const v1::Stage&) const { return false; }
  // Calls `visit` with the key ("file") and the path of each file that the
  // settings name.  `visit` may change the path.
  virtual void VisitFiles(
      v1::Stage*,
      absl::FunctionRef<void(absl::string_view key, std::string* path)>) const {
  }

  // Adds what is wrong with the settings: what no rule of a single key says.
  // REQUIRES: defaults are filled in, every single key keeps its rule, and the
  // stage has settings of this kind.
  virtual void Check(const StageRef& at, ConfigErrors* errors) const = 0;
  // Adds what is wrong between the settings and the files of the job.
  // REQUIRES: the job is resolved (job/file/job.h).
  virtual void CheckInputs(const StageRef& at, const JobInputs& inputs,
                           ConfigErrors* errors) const = 0;

  // Fills in the numbers of the plan; name, kind and traits are there.
  // REQUIRES: the job is resolved.
  virtual void Plan(const v1::Job& job, const v1::Stage& stage,
                    StagePlan* plan) const = 0;
};

// All kinds, in the order of job.proto.
absl::Span<const StageKind* const> StageKinds();
// Null if no kind has this name.
const StageKind* FindStageKind(absl::string_view name);

// Whether `predicate` holds for the kind of a stage of the job.
bool AnyStage(const v1::Job& job,
              absl::FunctionRef<bool(const StageKind&)> predicate);

// Whether a stage of the job draws documents from the generator.
bool UsesGenerator(const v1::Job& job);

// The key of the settings that the stage has ("grpo"), or "" if it has none.
absl::string_view SettingsKey(const v1::Stage& stage);

}  // namespace aha
