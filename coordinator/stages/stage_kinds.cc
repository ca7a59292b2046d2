// The table of the kinds of stages: which StageRun each of them has.
#include "absl/strings/str_cat.h"
#include "coordinator/stages/eval_run.h"
#include "coordinator/stages/grpo_run.h"
#include "coordinator/stages/sample_run.h"
#include "coordinator/stages/sft_run.h"
#include "coordinator/stages/stage_run.h"

namespace aha::coordinator {
namespace {

template <class Run>
std::unique_ptr<StageRun> Begin(const StageParts& parts) {
  return std::make_unique<Run>(parts);
}

struct StageRunFactory {
  absl::string_view name;
  std::unique_ptr<StageRun> (*begin)(const StageParts& parts);
};

constexpr StageRunFactory kStageRuns[] = {
    {"sft", Begin<SftRun>},
    {"grpo", Begin<GrpoRun>},
    {"eval", Begin<EvalRun>},
    {"sample", Begin<SampleRun>},
};

}  // namespace

absl::StatusOr<std::unique_ptr<StageRun>> BeginStage(const StageParts& parts) {
  const uint32_t stage = parts.history->position().stage;
  const StagePlan& plan = parts.plan->stages[stage];
  for (const StageRunFactory& kind : kStageRuns) {
    if (kind.name == plan.kind) return kind.begin(parts);
  }
  // A test compares this table with the kinds of the job file.
  return absl::InternalError(absl::StrCat(
      "stages[", stage, "].type: ", plan.kind, " has no StageRun"));
}

std::vector<absl::string_view> StageKindNames() {
  std::vector<absl::string_view> names;
  for (const StageRunFactory& kind : kStageRuns) names.push_back(kind.name);
  return names;
}

}  // namespace aha::coordinator
