// Implements data/corpus.h. A document is drawn in this order: its style, the
// kind of exercise, then attempts at an exercise until one is in the training
// split.
#include "data/corpus.h"

#include <algorithm>
#include <utility>

#include "absl/strings/str_cat.h"
#include "base/rng.h"
#include "base/status.h"
#include "data/exercise_kinds.h"

namespace aha {
namespace {

constexpr int kMaxFactOperations = 2;

absl::Status CheckShare(absl::string_view name, double share) {
  if (share >= 0 && share <= 1) return absl::OkStatus();
  return absl::InvalidArgumentError(
      absl::StrCat(name, " must be in [0, 1], got ", share));
}

DocumentStyle ChooseStyle(const CorpusMix& mix, double uniform) {
  double rest = uniform * (mix.facts + mix.terse + mix.worked + mix.corrected);
  const std::pair<double, DocumentStyle> shares[] = {
      {mix.facts, DocumentStyle::kFact},
      {mix.terse, DocumentStyle::kTerse},
      {mix.worked, DocumentStyle::kWorked},
      {mix.corrected, DocumentStyle::kCorrected}};
  DocumentStyle last = DocumentStyle::kTerse;
  for (const auto& [share, style] : shares) {
    if (share > 0) last = style;
    if (rest < share) return style;
    rest -= share;
  }
  return last;  // Rounding may leave a remainder.
}

}  // namespace

absl::Status CorpusMix::Validate() const {
  AHA_RETURN_IF_ERROR(CheckShare("facts", facts));
  AHA_RETURN_IF_ERROR(CheckShare("terse", terse));
  AHA_RETURN_IF_ERROR(CheckShare("worked", worked));
  AHA_RETURN_IF_ERROR(CheckShare("corrected", corrected));
  const double sum = facts + terse + worked + corrected;
  // Shares such as 0.1 are not exact in binary, so their sum may exceed 1 a
  // little.
  if (!(sum > 0) || sum > 1 + 1e-9) {
    return absl::InvalidArgumentError(
        absl::StrCat("facts + terse + worked + corrected must be above 0 and "
                     "at most 1, got ",
                     sum));
  }
  return absl::OkStatus();
}

std::string SolutionText(const Exercise& exercise, DocumentStyle style,
                         size_t slip_step) {
  std::string text = "<think>";
  const bool worked =
      style == DocumentStyle::kWorked || style == DocumentStyle::kCorrected;
  for (size_t i = 0; worked && i < exercise.steps.size(); ++i) {
    const ExerciseStep& step = exercise.steps[i];
    if (i > 0) text += ';';
    if (style == DocumentStyle::kCorrected && i == slip_step) {
      absl::StrAppend(&text, step.left, step.slip, " wait ");
    }
    absl::StrAppend(&text, step.left, step.right);
  }
  absl::StrAppend(&text, "</think><answer>", exercise.answer, "</answer>");
  return text;
}

Document MakeDocument(uint64_t seed, uint64_t index, const CorpusMix& mix,
                      const ExerciseOptions& options) {
  const RandomKey key(seed, RandomPurpose::kCorpus, index);
  const DocumentStyle style = ChooseStyle(mix, key.Uniform(0));
  const absl::Span<const ExerciseKind> kinds =
      options.kinds.empty() ? DefaultExerciseKinds()
                            : absl::MakeConstSpan(options.kinds);
  const ExerciseKind kind =
      kinds[key.Below(1, static_cast<uint32_t>(kinds.size()))];
  for (uint64_t attempt = 0;; ++attempt) {
    Draws draws(RandomKey(seed, RandomPurpose::kCorpus, index, attempt + 1));
    const int operations =
        style == DocumentStyle::kFact
            ? draws.Between(1, kMaxFactOperations)
            : draws.Between(options.min_operations, options.max_operations);
    const Exercise exercise = DrawExercise(kind, operations, draws);
    const bool full_size = kind == ExerciseKind::kPlainSums ||
                           operations >= options.min_operations;
    if (full_size && SplitOf(exercise.prompt) != Split::kTrain) continue;
    const size_t slip = static_cast<size_t>(
        draws.Below(static_cast<int>(exercise.steps.size())));
    // Half of the facts are written with their steps.
    const bool as_steps = style == DocumentStyle::kFact && draws.Below(2) == 0;
    return {exercise.prompt,
            SolutionText(exercise, as_steps ? DocumentStyle::kWorked : style,
                         slip)};
  }
}

}  // namespace aha
