// Generates exercises with known answers, for training and evaluation without
// a prompt file. Each step of an exercise is easy, but their composition is
// hard for a shallow network, so a model gains by writing the steps down. All
// kinds but plain_sums are written for tokenizers with one token for each
// character, and their prompts end in '?'.
//
//   kind        prompt                          worked
//   sums        3+5+9+2?                        3+5=8;8+9=7;7+2=9
//               last digit of the running sum
//   machine     7*3-2+9?                        7*3=1;1-2=9;9+9=8
//               left to right, modulo 10
//   swaps       4:14,35,12?                     4:14=1;1:35=1;1:12=2
//               an object at place 4; the contents of places 1 and 4, 3 and 5,
//               1 and 2 change places; where is it?
//   pointers    ac,da,be,cb,ed:3a?              3a=c;2c=b;1b=e
//               follow three arrows from a
//   plain_sums  What is 23 + 45? Answer with only the number.
//               worked: 23+45=68.  Terms of one or two digits, for models that
//               know English; operations are ignored
//
// Training and held-out exercises are disjoint by construction: SplitOf decides
// by a hash of the prompt, for every seed alike.
//
// All functions are pure.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "absl/types/span.h"

namespace aha {

enum class ExerciseKind { kSums, kMachine, kSwaps, kPointers, kPlainSums };
absl::StatusOr<ExerciseKind> ParseExerciseKind(absl::string_view name);
absl::string_view ExerciseKindName(ExerciseKind kind);
// Returns the kinds that an empty list stands for: all but plain_sums.
absl::Span<const ExerciseKind> DefaultExerciseKinds();

// kAll is both, for prompt files of jobs that evaluate nothing.
enum class Split { kTrain, kEval, kAll };
// kEval for one prompt in eight, else kTrain.
Split SplitOf(absl::string_view prompt);

struct ExerciseOptions {
  // Drawn from evenly; empty: the default kinds.
  std::vector<ExerciseKind> kinds;
  int min_operations = 4;  // 1 to 64.
  int max_operations = 7;  // min_operations to 64.

  absl::Status Validate() const;
};

// One step of a worked solution, such as "8+9=" and "7".
struct ExerciseStep {
  std::string left;
  std::string right;
  // A wrong value of `right`, which a corrected solution writes first.
  std::string slip;
};

struct Exercise {
  std::string id;  // "sums-train-17"
  ExerciseKind kind = ExerciseKind::kSums;
  std::string prompt;
  std::string answer;
  std::vector<ExerciseStep> steps;
};

// Returns the index-th exercise of a split. The kinds take turns. REQUIRES:
// options.Validate() is OK.
Exercise MakeExercise(uint64_t seed, Split split, uint64_t index,
                      const ExerciseOptions& options);

}  // namespace aha
