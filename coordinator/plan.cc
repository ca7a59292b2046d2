#include "coordinator/plan.h"

namespace aha::coordinator {
namespace {

v1::SamplingSpec ToSpec(const v1::Sampling& sampling) {
  v1::SamplingSpec spec;
  spec.set_temperature(sampling.temperature());
  spec.set_top_p(sampling.top_p());
  spec.set_top_k(static_cast<uint32_t>(sampling.top_k()));
  spec.set_max_completion_length(
      static_cast<uint32_t>(sampling.max_completion_length()));
  return spec;
}

StagePlan MakeStage(const v1::Job& job, const v1::Stage& stage) {
  StagePlan plan;
  plan.name = stage.name();
  v1::Sampling sampling = job.sampling();
  if (stage.type() == "grpo") {
    plan.type = StageType::kGrpo;
    plan.steps = static_cast<uint64_t>(stage.grpo().steps());
    plan.groups = static_cast<uint32_t>(stage.grpo().prompts_per_step());
    plan.num_generations =
        static_cast<uint32_t>(stage.grpo().num_generations());
    plan.lag = static_cast<uint64_t>(stage.grpo().lag());
  } else if (stage.type() == "eval") {
    plan.type = StageType::kEval;
    plan.groups = static_cast<uint32_t>(stage.eval().prompts());
    plan.num_generations =
        static_cast<uint32_t>(stage.eval().num_generations());
    sampling.MergeFrom(stage.eval().sampling());
  } else {
    plan.steps = static_cast<uint64_t>(stage.sft().steps());
  }
  plan.sampling = ToSpec(sampling);
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
  }
  return "?";
}

}  // namespace aha::coordinator
