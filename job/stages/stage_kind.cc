#include "job/stages/stage_kind.h"

#include <algorithm>

#include "job/stages/kinds.h"

namespace aha {

absl::Span<const StageKind* const> StageKinds() {
  static const StageKind* const kKinds[] = {&SftKind(), &GrpoKind(),
                                            &EvalKind(), &SampleKind()};
  return kKinds;
}

const StageKind* FindStageKind(absl::string_view name) {
  for (const StageKind* kind : StageKinds()) {
    if (kind->name() == name) return kind;
  }
  return nullptr;
}

bool AnyStage(const v1::Job& job,
              absl::FunctionRef<bool(const StageKind&)> predicate) {
  return std::any_of(job.stages().begin(), job.stages().end(),
                     [&](const v1::Stage& stage) {
                       const StageKind* kind = FindStageKind(stage.type());
                       return kind != nullptr && predicate(*kind);
                     });
}

bool UsesGenerator(const v1::Job& job) {
  return std::any_of(job.stages().begin(), job.stages().end(),
                     [](const v1::Stage& stage) {
                       const StageKind* kind = FindStageKind(stage.type());
                       return kind != nullptr && kind->UsesGenerator(stage);
                     });
}

absl::string_view SettingsKey(const v1::Stage& stage) {
  const auto* settings = v1::Stage::descriptor()->FindOneofByName("settings");
  const auto* field =
      stage.GetReflection()->GetOneofFieldDescriptor(stage, settings);
  return field == nullptr ? "" : absl::string_view(field->name());
}

}  // namespace aha
