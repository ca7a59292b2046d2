#include "learner/stages/stage_work.h"

#include <string>
#include <vector>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "learner/stages/kinds.h"

namespace aha::learner {
namespace {

struct TrainingKind {
  absl::string_view name;
  absl::StatusOr<std::unique_ptr<StageWork>> (*open)(const StageOfJob& of,
                                                     uint64_t first_step,
                                                     ModelState* state);
};

constexpr TrainingKind kTrainingKinds[] = {{"sft", OpenSft},
                                           {"grpo", OpenGrpo}};

}  // namespace

absl::StatusOr<std::unique_ptr<StageWork>> OpenStageWork(const StageOfJob& of,
                                                         uint64_t first_step,
                                                         ModelState* state) {
  std::vector<absl::string_view> names;
  for (const TrainingKind& kind : kTrainingKinds) {
    if (kind.name == of.stage_plan().kind) {
      return kind.open(of, first_step, state);
    }
    names.push_back(kind.name);
  }
  return absl::InvalidArgumentError(absl::StrCat(
      "stages[", of.stage, "].type must be one of ", absl::StrJoin(names, ", "),
      " to be trained, is \"", of.stage_plan().kind, "\""));
}

}  // namespace aha::learner
