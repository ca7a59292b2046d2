// Implements data/generator.h; problem_kinds.cc makes the exercises
// themselves. Every exercise is drawn anew from (seed, split, index, attempt)
// until its prompt falls into the split.
#include "data/generator.h"

#include <array>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "base/hash.h"
#include "base/rng.h"
#include "data/problem_kinds.h"

namespace aha {
namespace {

constexpr std::array<ProblemKind, 5> kAllKinds = {
    ProblemKind::kSums, ProblemKind::kMachine, ProblemKind::kSwaps,
    ProblemKind::kPointers, ProblemKind::kPlainSums};
constexpr int kDefaultKinds = 4;  // The first four.
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

absl::string_view ProblemKindName(ProblemKind kind) {
  switch (kind) {
    case ProblemKind::kSums:
      return "sums";
    case ProblemKind::kMachine:
      return "machine";
    case ProblemKind::kSwaps:
      return "swaps";
    case ProblemKind::kPointers:
      return "pointers";
    case ProblemKind::kPlainSums:
      return "plain_sums";
  }
  return "";
}

absl::StatusOr<ProblemKind> ParseProblemKind(absl::string_view name) {
  for (const ProblemKind kind : kAllKinds) {
    if (ProblemKindName(kind) == name) return kind;
  }
  return absl::InvalidArgumentError(
      absl::StrCat("kinds must be of ",
                   absl::StrJoin(kAllKinds, ", ",
                                 [](std::string* out, ProblemKind kind) {
                                   absl::StrAppend(out, ProblemKindName(kind));
                                 }),
                   "; got '", name, "'"));
}

absl::Span<const ProblemKind> DefaultProblemKinds() {
  return absl::MakeConstSpan(kAllKinds).first(kDefaultKinds);
}

Split SplitOf(absl::string_view prompt) {
  return Hash64(prompt.data(), prompt.size()) % kHeldOutOneIn == 0
             ? Split::kEval
             : Split::kTrain;
}

absl::Status ProblemOptions::Validate() const {
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

Problem MakeProblem(uint64_t seed, Split split, uint64_t index,
                    const ProblemOptions& options) {
  const absl::Span<const ProblemKind> kinds =
      options.kinds.empty() ? DefaultProblemKinds()
                            : absl::MakeConstSpan(options.kinds);
  const ProblemKind kind = kinds[index % kinds.size()];
  // Every kind has exercises in both splits, so this loop ends.
  for (uint64_t attempt = 0;; ++attempt) {
    Draws draws(RandomKey(seed, RandomPurpose::kProblem,
                          static_cast<uint64_t>(split), index, attempt));
    const int operations =
        draws.Between(options.min_operations, options.max_operations);
    Problem problem = DrawProblem(kind, operations, draws);
    if (split != Split::kAll && SplitOf(problem.prompt) != split) continue;
    problem.id =
        absl::StrCat(ProblemKindName(kind), "-", SplitName(split), "-", index);
    return problem;
  }
}

}  // namespace aha
