#include "job/plan.h"

namespace aha {
namespace {

void PlanSft(const v1::Stage& stage, StagePlan* plan) {
  plan->type = StageType::kSft;
  plan->traits = {.trains = true,
                  .consumer = GroupConsumer::kNone,
                  .prompts = PromptUse::kNone};
  plan->steps = static_cast<uint64_t>(stage.sft().steps());
}

void PlanGrpo(const v1::Job& job, const v1::Stage& stage, StagePlan* plan) {
  const v1::Grpo& grpo = stage.grpo();
  plan->type = StageType::kGrpo;
  plan->traits = {.trains = true,
                  .consumer = GroupConsumer::kLearner,
                  .prompts = PromptUse::kTrainingShuffled};
  plan->steps = static_cast<uint64_t>(grpo.steps());
  plan->groups = static_cast<uint32_t>(grpo.prompts_per_step());
  plan->num_generations = static_cast<uint32_t>(grpo.num_generations());
  plan->lag = static_cast<uint64_t>(grpo.lag());
  plan->sampling = job.sampling();
}

// Of a stage that samples and does not train: `settings` is v1::Eval or
// v1::Sample.
template <class Settings>
void PlanSampling(const v1::Job& job, const Settings& settings,
                  StagePlan* plan) {
  plan->groups = static_cast<uint32_t>(settings.prompts());
  plan->num_generations = static_cast<uint32_t>(settings.num_generations());
  plan->sampling = job.sampling();
  plan->sampling.MergeFrom(settings.sampling());
}

StagePlan MakeStage(const v1::Job& job, const v1::Stage& stage) {
  StagePlan plan;
  plan.name = stage.name();
  plan.kind = stage.type();
  if (stage.type() == "grpo") {
    PlanGrpo(job, stage, &plan);
  } else if (stage.type() == "eval") {
    plan.type = StageType::kEval;
    plan.traits = {.trains = false,
                   .consumer = GroupConsumer::kCoordinator,
                   .prompts = PromptUse::kHeldOutInOrder};
    PlanSampling(job, stage.eval(), &plan);
  } else if (stage.type() == "sample") {
    plan.type = StageType::kSample;
    plan.traits = {.trains = false,
                   .consumer = GroupConsumer::kCoordinator,
                   .prompts = PromptUse::kTrainingInOrder};
    PlanSampling(job, stage.sample(), &plan);
  } else {
    PlanSft(stage, &plan);
  }
  return plan;
}

}  // namespace

JobPlan MakePlan(const v1::Job& job) {
  JobPlan plan;
  plan.job = job;
  for (const v1::Stage& stage : job.stages()) {
    plan.stages.push_back(MakeStage(job, stage));
  }
  plan.learners = static_cast<uint32_t>(job.cluster().learners());
  plan.lease = absl::Seconds(job.cluster().lease_seconds());
  plan.wait = absl::Seconds(job.cluster().wait_seconds());
  plan.checkpoints_kept = static_cast<uint64_t>(job.checkpoint().keep());
  return plan;
}

const char* TypeName(StageType type) {
  switch (type) {
    case StageType::kSft:
      return "sft";
    case StageType::kGrpo:
      return "grpo";
    case StageType::kEval:
      return "eval";
    case StageType::kSample:
      return "sample";
  }
  return "?";
}

}  // namespace aha
