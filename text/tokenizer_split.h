// Pre-tokenization: cuts a text into the words that BPE encodes, with regular
// expressions in PCRE2's syntax over Unicode.
//
// The expressions come from files and may be hostile. Each search is bounded in
// steps and memory, and the whole text has a step budget that is linear in its
// length.
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

// What happens to the matching parts of a text (Hugging Face's names).
enum class SplitBehavior {
  kRemoved,             // Dropped.
  kIsolated,            // A word of its own.
  kMergedWithPrevious,  // Joined to the part before.
  kMergedWithNext,      // Joined to the part after.
  kContiguous,          // Adjacent matches become one word.
};

struct SplitStep {
  // kMetaspace writes U+2581 for each space, and one in front of a text if
  // `prefix` says so.
  enum class Kind { kPattern, kPrefixSpace, kMetaspace };
  enum class Prefix { kNever, kFirst, kAlways };
  Kind kind = Kind::kPattern;
  std::string pattern;  // Only for kPattern.
  SplitBehavior behavior = SplitBehavior::kIsolated;
  bool invert = false;  // The parts that do not match count as matches.
  // kMetaspace: kFirst means the words at offset 0 of the caller's text alone.
  Prefix prefix = Prefix::kNever;
};

struct Word {
  std::string text;
  size_t offset = 0;  // Position in the text that was split.
};

// GPT-2's expression, which ByteLevel(use_regex) implies.
extern const char kGpt2Pattern[];

// Returns a regular expression that matches exactly `text`.
std::string LiteralPattern(absl::string_view text);

class WordSplitter {
 public:
  // Returns INVALID_ARGUMENT, with the pattern, if one does not compile.
  static absl::StatusOr<std::unique_ptr<WordSplitter>> Create(
      std::vector<SplitStep> steps);
  ~WordSplitter();

  // Appends the words of `text`; none is empty. `first` says that no text of
  // the caller's stands before it. INVALID_ARGUMENT if a pattern exceeds the
  // step budget. REQUIRES: text is UTF-8.
  absl::Status Split(absl::string_view text, bool first,
                     std::vector<Word>* words) const;

 private:
  struct Step;
  WordSplitter();
  std::vector<Step> steps_;
};

}  // namespace aha
