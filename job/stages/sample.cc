// Stages of kind sample: completions of the first training prompts as a data
// set.  The prompts are not shuffled: slot k holds training prompt k.
//
// A job may have no rewards: then the completions are not scored, and in the
// data set each has an empty `rewards` and no `reward`.
#include "job/stages/checks.h"
#include "job/stages/kinds.h"

namespace aha {
namespace {

class SampleStage : public StageKind {
 public:
  absl::string_view name() const override { return "sample"; }
  absl::string_view help() const override {
    return "sample completions of the prompts, score them and write them into "
           "a JSON Lines data set";
  }
  StageTraits traits() const override {
    return {.trains = false,
            .consumer = GroupConsumer::kCoordinator,
            .prompts = PromptUse::kTrainingInOrder};
  }
  RewardsNeed rewards() const override { return RewardsNeed::kOptional; }

  void FillDefaults(const v1::Job& job, v1::Stage* stage) const override {
    FillSampling(job, stage->mutable_sample()->mutable_sampling());
  }

  void Check(const StageRef& at, ConfigErrors* errors) const override {
    CheckSampling(at, SamplingSettingsOf(at.stage().sample()), errors);
  }

  void CheckInputs(const StageRef& at, const JobInputs& inputs,
                   ConfigErrors* errors) const override {
    const SamplingSettings settings = SamplingSettingsOf(at.stage().sample());
    CheckContext(at.job, settings.sampling,
                 ChildPath(at.settings_path(), "sampling"), inputs, errors);
    CheckPromptCount(at, settings, inputs.training_prompts, "training prompts",
                     errors);
  }

  void Plan(const v1::Job&, const v1::Stage& stage,
            StagePlan* plan) const override {
    PlanSampling(SamplingSettingsOf(stage.sample()), plan);
  }
};

}  // namespace

const StageKind& SampleKind() {
  static const SampleStage kKind;
  return kKind;
}

}  // namespace aha
