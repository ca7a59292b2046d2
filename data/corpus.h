// The corpus of the quickstart's base model: mostly terse answers, seldom
// worked-out ones, a few with a slip that is noticed and put right.
//
//   terse        <think></think><answer>7</answer>
//   worked       <think>3+5=8;8+9=7</think><answer>7</answer>
//   corrected    <think>3+5=8;8+9=5 wait 8+9=7</think><answer>7</answer>
//
// Facts are problems of one or two operations, half of them answered at once
// and half worked: the base learns what a step is on problems that need none.
// Whatever has as many operations as a real problem is of the training split.
//
// All functions are pure.
#pragma once

#include <cstdint>
#include <string>

#include "absl/status/status.h"
#include "data/generator.h"

namespace aha {

// Shares; what counts is their proportion.
struct CorpusMix {
  double facts = 0.30;
  double terse = 0.52;
  double worked = 0.15;
  double corrected = 0.03;

  // Each in [0, 1], their sum above 0 and at most 1.
  absl::Status Validate() const;
};

enum class DocumentStyle { kFact, kTerse, kWorked, kCorrected };

struct Document {
  std::string prompt;
  std::string completion;  // Without an end token.
};

// A solution in the given style (kFact and kTerse are written alike).
// `slip_step` is the step that goes wrong at first, for kCorrected.
std::string SolutionText(const Problem& problem, DocumentStyle style,
                         size_t slip_step = 0);

// The index-th document.  REQUIRES: mix.Validate(), options.Validate().
Document MakeDocument(uint64_t seed, uint64_t index, const CorpusMix& mix,
                      const ProblemOptions& options);

}  // namespace aha
