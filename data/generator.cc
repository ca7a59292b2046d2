// Implements data/generator.h; exercise_kinds.cc makes the exercises
// themselves. Every exercise is drawn from (seed, split, index, attempt)
// until its prompt falls into the split.
#include "data/generator.h"

#include "absl/strings/str_cat.h"
#include "base/hash.h"
#include "base/names.h"
#include "base/rng.h"
#include "data/exercise_kinds.h"

namespace aha {
namespace {

constexpr NamedValue<ExerciseKind> kKinds[] = {
    {ExerciseKind::kSums, "sums"},
    {ExerciseKind::kMachine, "machine"},
    {ExerciseKind::kSwaps, "swaps"},
    {ExerciseKind::kPointers, "pointers"},
    {ExerciseKind::kPlainSums, "plain_sums"},
};
// The order decides results: the kinds take turns in it.
constexpr ExerciseKind kDefaultKinds[] = {
    ExerciseKind::kSums, ExerciseKind::kMachine, ExerciseKind::kSwaps,
    ExerciseKind::kPointers};
constexpr int kMaxOperations = 64;
constexpr uint64_t kHeldOutOneIn = 8;

absl::string_view SplitName(Split split) {
  switch (split) {
    case Split::kTrain:
      return "train";
    case Split::kEval:
      return "eval";
    case Split::kAll:
      return "all";
  }
  return "";
}

}  // namespace

absl::string_view ExerciseKindName(ExerciseKind kind) {
  return NameOfValue(kKinds, kind);
}

absl::StatusOr<ExerciseKind> ParseExerciseKind(absl::string_view name) {
  return ValueOfName("kinds", kKinds, name);
}

absl::Span<const ExerciseKind> DefaultExerciseKinds() { return kDefaultKinds; }

Split SplitOf(absl::string_view prompt) {
  return Hash64(prompt.data(), prompt.size()) % kHeldOutOneIn == 0
             ? Split::kEval
             : Split::kTrain;
}

absl::Status ExerciseOptions::Validate() const {
  if (min_operations < 1 || max_operations > kMaxOperations) {
    return absl::InvalidArgumentError(absl::StrCat(
        "min_operations and max_operations must be in [1, ", kMaxOperations,
        "], got ", min_operations, " and ", max_operations));
  }
  if (min_operations > max_operations) {
    return absl::InvalidArgumentError(
        absl::StrCat("min_operations must be at most max_operations, got ",
                     min_operations, " and ", max_operations));
  }
  return absl::OkStatus();
}

Exercise MakeExercise(uint64_t seed, Split split, uint64_t index,
                      const ExerciseOptions& options) {
  const absl::Span<const ExerciseKind> kinds =
      options.kinds.empty() ? DefaultExerciseKinds()
                            : absl::MakeConstSpan(options.kinds);
  const ExerciseKind kind = kinds[index % kinds.size()];
  // Every kind has exercises in both splits, so this loop ends.
  for (uint64_t attempt = 0;; ++attempt) {
    Draws draws(RandomKey(seed, RandomPurpose::kExercise,
                          static_cast<uint64_t>(split), index, attempt));
    const int operations =
        draws.Between(options.min_operations, options.max_operations);
    Exercise exercise = DrawExercise(kind, operations, draws);
    if (split != Split::kAll && SplitOf(exercise.prompt) != split) continue;
    exercise.id =
        absl::StrCat(ExerciseKindName(kind), "-", SplitName(split), "-", index);
    return exercise;
  }
}

}  // namespace aha
