#include "job/plan.h"

#include "job/stages/stage_kind.h"

namespace aha {
namespace {

StagePlan MakeStage(const v1::Job& job, const v1::Stage& stage) {
  StagePlan plan;
  plan.name = stage.name();
  plan.kind = stage.type();
  if (const StageKind* kind = FindStageKind(plan.kind)) {
    plan.traits = kind->traits();
    kind->Plan(job, stage, &plan);
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

}  // namespace aha
