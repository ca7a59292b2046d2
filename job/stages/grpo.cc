// Stages of kind grpo: reinforcement learning on groups of completions of the
// training prompts, which are sampled as the job's `sampling` says.
#include <algorithm>

#include "absl/strings/str_cat.h"
#include "job/algorithm.h"
#include "job/options.h"
#include "job/stages/checks.h"
#include "job/stages/kinds.h"

namespace aha {
namespace {

class GrpoStage : public StageKind {
 public:
  absl::string_view name() const override { return "grpo"; }
  absl::string_view help() const override { return "reinforcement learning"; }
  StageTraits traits() const override {
    return {.trains = true,
            .consumer = GroupConsumer::kLearner,
            .prompts = PromptUse::kTrainingShuffled};
  }
  RewardsNeed rewards() const override { return RewardsNeed::kRequired; }

  void FillDefaults(const v1::Job&, v1::Stage* stage) const override {
    FillFromPreset(stage->mutable_grpo());
    stage->mutable_grpo()->mutable_optimizer();
  }

  void Check(const StageRef& at, ConfigErrors* errors) const override {
    const v1::Grpo& grpo = at.stage().grpo();
    const v1::Sampling& sampling = at.job.sampling();
    const std::string path = at.settings_path();
    CheckOptimizer(grpo.optimizer(), grpo.steps(), ChildPath(path, "optimizer"),
                   errors);
    CheckContext(at.job, sampling, "sampling", errors);
    CheckGroups(at,
                {.prompts_key = "prompts_per_step",
                 .prompts = grpo.prompts_per_step(),
                 .num_generations = grpo.num_generations(),
                 .max_completion_length = sampling.max_completion_length()},
                errors);
    CheckClipping(grpo, path, errors);
    // What the loss does not know: a sequence's ratio with cispo, ...
    if (const absl::Status loss = LossOptionsOf(at.job, grpo).status();
        !loss.ok()) {
      errors->Add(path, loss.message());
    }
    if (sampling.temperature() == 0) {
      errors->Add("sampling.temperature",
                  absl::StrCat("must be above 0 for ", path,
                               ": a group of equal completions teaches "
                               "nothing; got 0"));
    }
    const auto& rewards = at.job.rewards();
    if (!rewards.empty() && std::all_of(rewards.begin(), rewards.end(),
                                        [](const v1::RewardComponent& reward) {
                                          return reward.weight() == 0;
                                        })) {
      errors->Add("rewards", "at least one weight must differ from 0");
    }
  }

  void CheckInputs(const StageRef& at, const JobInputs& inputs,
                   ConfigErrors* errors) const override {
    CheckContext(at.job, at.job.sampling(), "sampling", inputs, errors);
  }

  void Plan(const v1::Job& job, const v1::Stage& stage,
            StagePlan* plan) const override {
    const v1::Grpo& grpo = stage.grpo();
    plan->steps = static_cast<uint64_t>(grpo.steps());
    plan->groups = static_cast<uint32_t>(grpo.prompts_per_step());
    plan->num_generations = static_cast<uint32_t>(grpo.num_generations());
    plan->lag = static_cast<uint64_t>(grpo.lag());
    plan->sampling = job.sampling();
  }

 private:
  static void CheckClipping(const v1::Grpo& grpo, const std::string& path,
                            ConfigErrors* errors) {
    const double high =
        grpo.has_epsilon_high() ? grpo.epsilon_high() : grpo.epsilon();
    if (grpo.has_delta() && grpo.delta() <= 1 + high) {
      errors->Add(
          ChildPath(path, "delta"),
          absl::StrCat("must be above 1 + epsilon_high (", NumberText(1 + high),
                       "), got ", NumberText(grpo.delta())));
    }
  }
};

}  // namespace

const StageKind& GrpoKind() {
  static const GrpoStage kKind;
  return kKind;
}

}  // namespace aha
