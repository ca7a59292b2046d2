// The corpus on which the quickstart's base model is trained. Most of its
// answers are terse, some are worked out, and a few are worked out with a
// mistake that is noticed and corrected:
//
//   terse        <think></think><answer>7</answer>
//   worked       <think>3+5=8;8+9=7</think><answer>7</answer>
//   corrected    <think>3+5=8;8+9=5 wait 8+9=7</think><answer>7</answer>
//
// Facts are exercises of one or two operations. Half of them are answered at
// once and half are worked out, so that the base model learns what a step is
// from exercises that need none. A document whose exercise has as many
// operations as those of the job belongs to the training split.
//
// All functions are pure.
#pragma once

#include <cstdint>
#include <string>

#include "absl/status/status.h"
#include "data/generator.h"

namespace aha {

// Shares of the styles. Only their proportions count.
struct CorpusMix {
  double facts = 0.30;
  double terse = 0.52;
  double worked = 0.15;
  double corrected = 0.03;

  // Requires each to be in [0, 1] and their sum above 0 and at most 1.
  absl::Status Validate() const;
};

enum class DocumentStyle { kFact, kTerse, kWorked, kCorrected };

struct Document {
  std::string prompt;
  std::string completion;  // Without an end token.
};

// Returns a solution in the given style; kFact is written like kTerse. For
// kCorrected, `slip_step` is the step that is wrong at first.
std::string SolutionText(const Exercise& exercise, DocumentStyle style,
                         size_t slip_step = 0);

// Returns the index-th document. REQUIRES: mix.Validate() and
// options.Validate() are OK.
Document MakeDocument(uint64_t seed, uint64_t index, const CorpusMix& mix,
                      const ExerciseOptions& options);

}  // namespace aha
