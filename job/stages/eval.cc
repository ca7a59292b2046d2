// Stages of kind eval: the accuracy of the policy on held-out prompts.
#include "job/stages/checks.h"
#include "job/stages/kinds.h"

namespace aha {
namespace {

class EvalStage : public StageKind {
 public:
  absl::string_view name() const override { return "eval"; }
  absl::string_view help() const override {
    return "sample held-out prompts and score them";
  }
  StageTraits traits() const override {
    return {.trains = false,
            .consumer = GroupConsumer::kCoordinator,
            .prompts = PromptUse::kHeldOutInOrder};
  }
  RewardsNeed rewards() const override { return RewardsNeed::kRequired; }

  void FillDefaults(const v1::Job& job, v1::Stage* stage) const override {
    FillSampling(job, stage->mutable_eval()->mutable_sampling());
  }

  void Check(const StageRef& at, ConfigErrors* errors) const override {
    CheckSampling(at, SamplingSettingsOf(at.stage().eval()), errors);
  }

  void CheckInputs(const StageRef& at, const JobInputs& inputs,
                   ConfigErrors* errors) const override {
    const SamplingSettings settings = SamplingSettingsOf(at.stage().eval());
    CheckContext(at.job, settings.sampling,
                 ChildPath(at.settings_path(), "sampling"), inputs, errors);
    CheckPromptCount(at, settings, inputs.held_out_prompts, "held-out prompts",
                     errors);
  }

  void Plan(const v1::Job&, const v1::Stage& stage,
            StagePlan* plan) const override {
    PlanSampling(SamplingSettingsOf(stage.eval()), plan);
  }
};

}  // namespace

const StageKind& EvalKind() {
  static const EvalStage kKind;
  return kKind;
}

}  // namespace aha
