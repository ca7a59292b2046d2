#include "run/layout.h"

#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"
#include "absl/strings/strip.h"

namespace aha::run {
namespace {

constexpr absl::string_view kStep = "step-";

}  // namespace

std::string StepName(const NamedStep& step) {
  return absl::StrFormat("%s%s%s%06d", step.stage,
                         step.stage.empty() ? "" : "-", kStep, step.step);
}

std::optional<NamedStep> ParseStepName(absl::string_view name) {
  // A stage may have "step-" in its own name, so the last one counts.
  const size_t at = name.rfind(kStep);
  NamedStep step;
  if (at == absl::string_view::npos ||
      !absl::SimpleAtoi(name.substr(at + kStep.size()), &step.step)) {
    return std::nullopt;
  }
  absl::string_view stage = name.substr(0, at);
  if (!stage.empty() && !absl::ConsumeSuffix(&stage, "-")) return std::nullopt;
  step.stage = std::string(stage);
  return step;
}

std::string DatasetFile(absl::string_view stage) {
  return absl::StrCat(kDatasetsFolder, "/", stage, kLinesSuffix);
}

}  // namespace aha::run
