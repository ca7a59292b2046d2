// Pre-tokenization: cuts a text into the words that BPE works on, by regular
// expressions in PCRE2's syntax over Unicode.
//
// Expressions come from files, so they may be hostile: every search is bounded
// in steps and memory, the whole text by a budget linear in its length.
//
// Immutable after Create; thread-safe.
#pragma once

#include <cstddef>
#include <memory>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"

namespace aha {

// What becomes of the parts of a text that match (Hugging Face's names).
enum class SplitBehavior {
  kRemoved,             // Dropped.
  kIsolated,            // A word each.
  kMergedWithPrevious,  // Joined to the part before.
  kMergedWithNext,      // Joined to the part after.
  kContiguous,          // Adjacent matches are one word.
};

struct SplitStep {
  enum class Kind { kPattern, kPrefixSpace };
  Kind kind = Kind::kPattern;
  std::string pattern;  // Of kPattern.
  SplitBehavior behavior = SplitBehavior::kIsolated;
  bool invert = false;  // Parts that do not match count as matches.
};

struct Word {
  std::string text;
  size_t offset = 0;  // In the text that was split.
};

// GPT-2's expression, that of ByteLevel(use_regex).
extern const char kGpt2Pattern[];

// A regular expression that matches exactly `text`.
std::string LiteralPattern(absl::string_view text);

class WordSplitter {
 public:
  // INVALID_ARGUMENT, with the pattern, if one does not compile.
  static absl::StatusOr<std::unique_ptr<WordSplitter>> Create(
      std::vector<SplitStep> steps);
  ~WordSplitter();

  // Appends the words of `text`, none empty.  INVALID_ARGUMENT if a pattern
  // needs more steps than a sane one would.  REQUIRES: text is UTF-8.
  absl::Status Split(absl::string_view text, std::vector<Word>* words) const;

 private:
  struct Step;
  WordSplitter();
  std::vector<Step> steps_;
};

}  // namespace aha
