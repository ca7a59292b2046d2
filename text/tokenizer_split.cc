// Implements text/tokenizer_split.h on PCRE2, the only library with Unicode
// properties and the look-ahead that GPT-2's expression needs. Its searches can
// be exponential, so each one runs under a step limit.
#include "text/tokenizer_split.h"

#define PCRE2_CODE_UNIT_WIDTH 8
#include <pcre2.h>

#include <algorithm>
#include <cstdint>
#include <optional>
#include <utility>

#include "absl/strings/ascii.h"
#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_replace.h"
#include "base/handle.h"
#include "base/status.h"
#include "base/text.h"
#include "text/tokenizer_bytes.h"

namespace aha {
namespace {

using Code = Handle<pcre2_code*, pcre2_code_free>;
using MatchData = Handle<pcre2_match_data*, pcre2_match_data_free>;
using MatchContext = Handle<pcre2_match_context*, pcre2_match_context_free>;
using CompileContext =
    Handle<pcre2_compile_context*, pcre2_compile_context_free>;

constexpr size_t kMaxPatternBytes = 1 << 16;
constexpr uint32_t kMaxHeapKib = 64 << 10;
// One search may take this many steps, and then eight times as many, again and
// again, while the budget of the whole text lasts. GPT-2's expression needs a
// handful.
constexpr uint32_t kFirstLimit = 2000;
constexpr int64_t kBaseBudget = 1'000'000;
constexpr int64_t kBudgetPerByte = 64;

// A part of a text by its offsets, matched or not.
struct Part {
  size_t begin;
  size_t end;
  bool matched;
};

// Makes \s Unicode's White_Space. PCRE2's \s includes U+180E, which Unicode
// removed from White_Space in 2013; Hugging Face's engines follow Unicode.
std::string WithUnicodeSpaces(absl::string_view pattern) {
  std::string out;
  for (size_t i = 0; i < pattern.size(); ++i) {
    if (pattern[i] != '\\' || i + 1 == pattern.size()) {
      out.push_back(pattern[i]);
      continue;
    }
    const char escaped = pattern[++i];
    if (escaped == 's') {
      absl::StrAppend(&out, "\\p{White_Space}");
    } else if (escaped == 'S') {
      absl::StrAppend(&out, "\\P{White_Space}");
    } else {
      out.push_back('\\');
      out.push_back(escaped);
    }
  }
  return out;
}

std::string Pcre2Message(int error) {
  PCRE2_UCHAR buffer[256];
  if (pcre2_get_error_message(error, buffer, sizeof buffer) < 0) {
    return absl::StrCat("PCRE2 error ", error);
  }
  return reinterpret_cast<const char*>(buffer);
}

absl::StatusOr<Code> Compile(absl::string_view pattern) {
  const CompileContext context(pcre2_compile_context_create(nullptr));
  pcre2_set_max_pattern_length(context.get(), kMaxPatternBytes);
  const std::string adapted = WithUnicodeSpaces(pattern);
  int error = 0;
  PCRE2_SIZE offset = 0;
  // \C would match single bytes and so split characters; it is forbidden.
  Code code(pcre2_compile(reinterpret_cast<PCRE2_SPTR>(adapted.data()),
                          adapted.size(),
                          PCRE2_UTF | PCRE2_UCP | PCRE2_NEVER_BACKSLASH_C,
                          &error, &offset, context.get()));
  if (code == nullptr) {
    return absl::InvalidArgumentError(
        absl::StrCat("must be a regular expression, got ", Quote(pattern), ": ",
                     Pcre2Message(error), " at offset ", offset));
  }
  return code;
}

// Searches in one text and charges the steps to the budget of the whole text.
class Searcher {
 public:
  Searcher(const pcre2_code* code, absl::string_view text, int64_t* budget)
      : code_(code),
        text_(text),
        budget_(*budget),
        data_(pcre2_match_data_create_from_pattern(code, nullptr)),
        context_(pcre2_match_context_create(nullptr)) {
    pcre2_set_heap_limit(context_.get(), kMaxHeapKib);
  }

  // Returns the end of the match that begins at `at`, or nothing.
  absl::StatusOr<std::optional<size_t>> MatchAt(size_t at) {
    for (int64_t limit = kFirstLimit;; limit *= 8) {
      const int rc = Run(at, static_cast<uint32_t>(limit));
      if (rc == PCRE2_ERROR_NOMATCH) return std::nullopt;
      if (rc > 0) {
        const size_t end = pcre2_get_ovector_pointer(data_.get())[1];
        return std::clamp(end, at, text_.size());
      }
      if (rc != PCRE2_ERROR_MATCHLIMIT && rc != PCRE2_ERROR_DEPTHLIMIT) {
        return absl::InvalidArgumentError(
            absl::StrCat("pre-tokenizer's pattern failed at offset ", at, ": ",
                         Pcre2Message(rc)));
      }
      // A search that reached its limit has used all of its steps.
      budget_ -= limit;
      if (budget_ < limit * 8) {
        return absl::InvalidArgumentError(absl::StrCat(
            "pre-tokenizer's pattern needs too many steps at offset ", at,
            " of a text of ", text_.size(), " bytes"));
      }
    }
  }

 private:
  int Run(size_t at, uint32_t limit) {
    pcre2_set_match_limit(context_.get(), limit);
    pcre2_set_depth_limit(context_.get(), limit);
    return pcre2_match(code_, reinterpret_cast<PCRE2_SPTR>(text_.data()),
                       text_.size(), at, PCRE2_ANCHORED | PCRE2_NO_UTF_CHECK,
                       data_.get(), context_.get());
  }

  const pcre2_code* const code_;
  const absl::string_view text_;
  int64_t& budget_;
  const MatchData data_;
  const MatchContext context_;
};

absl::StatusOr<std::vector<Part>> FindParts(const pcre2_code* code,
                                            absl::string_view text,
                                            int64_t* budget) {
  Searcher searcher(code, text, budget);
  std::vector<Part> parts;
  size_t done = 0;
  for (size_t at = 0; at < text.size();) {
    AHA_ASSIGN_OR_RETURN(const std::optional<size_t> end, searcher.MatchAt(at));
    if (end.has_value()) {
      if (done < at) parts.push_back({done, at, false});
      parts.push_back({at, *end, true});
      done = *end;
    }
    // An empty match separates parts, but the search must still advance.
    const bool moved = end.has_value() && *end > at;
    at = moved ? *end : at + ReadUtf8(text, at).size;
  }
  if (done < text.size()) parts.push_back({done, text.size(), false});
  return parts;
}

void MergeWithPrevious(std::vector<Part>* parts) {
  std::vector<Part> merged;
  bool previous_matched = false;
  for (const Part& part : *parts) {
    if (part.matched && !previous_matched && !merged.empty()) {
      merged.back().end = part.end;
    } else {
      merged.push_back(part);
    }
    previous_matched = part.matched;
  }
  *parts = std::move(merged);
}

void MergeWithNext(std::vector<Part>* parts) {
  std::vector<Part> merged;
  bool next_matched = false;
  for (auto part = parts->rbegin(); part != parts->rend(); ++part) {
    if (part->matched && !next_matched && !merged.empty()) {
      merged.back().begin = part->begin;
    } else {
      merged.push_back(*part);
    }
    next_matched = part->matched;
  }
  parts->assign(merged.rbegin(), merged.rend());
}

void MergeContiguous(std::vector<Part>* parts) {
  std::vector<Part> merged;
  for (const Part& part : *parts) {
    if (!merged.empty() && merged.back().matched == part.matched) {
      merged.back().end = part.end;
    } else {
      merged.push_back(part);
    }
  }
  *parts = std::move(merged);
}

void Apply(SplitBehavior behavior, std::vector<Part>* parts) {
  switch (behavior) {
    case SplitBehavior::kIsolated:
      return;
    case SplitBehavior::kRemoved:
      parts->erase(
          std::remove_if(parts->begin(), parts->end(),
                         [](const Part& part) { return part.matched; }),
          parts->end());
      return;
    case SplitBehavior::kMergedWithPrevious:
      return MergeWithPrevious(parts);
    case SplitBehavior::kMergedWithNext:
      return MergeWithNext(parts);
    case SplitBehavior::kContiguous:
      return MergeContiguous(parts);
  }
}

}  // namespace

const char kGpt2Pattern[] =
    "'s|'t|'re|'ve|'m|'ll|'d| ?\\p{L}+| ?\\p{N}+| ?[^\\s\\p{L}\\p{N}]+|"
    "\\s+(?!\\S)|\\s+";

std::string LiteralPattern(absl::string_view text) {
  std::string out;
  for (const char c : text) {
    const bool plain = (c & 0x80) != 0 || absl::ascii_isalnum(c);
    if (!plain) out.push_back('\\');
    out.push_back(c);
  }
  return out;
}

struct WordSplitter::Step {
  SplitStep what;
  Code code;

  absl::Status Run(bool first, std::vector<Word>* words, int64_t* budget) const;
};

absl::Status WordSplitter::Step::Run(bool first, std::vector<Word>* words,
                                     int64_t* budget) const {
  if (what.kind == SplitStep::Kind::kPrefixSpace) {
    for (Word& word : *words) {
      if (!absl::StartsWith(word.text, " ")) word.text.insert(0, 1, ' ');
    }
    return absl::OkStatus();
  }
  if (what.kind == SplitStep::Kind::kMetaspace) {
    for (Word& word : *words) {
      word.text = absl::StrReplaceAll(word.text, {{" ", kMetaspace}});
      const bool wanted = what.prefix == SplitStep::Prefix::kAlways ||
                          (what.prefix == SplitStep::Prefix::kFirst && first &&
                           word.offset == 0);
      if (wanted && !absl::StartsWith(word.text, kMetaspace)) {
        word.text.insert(0, kMetaspace);
      }
    }
    return absl::OkStatus();
  }
  std::vector<Word> out;
  for (const Word& word : *words) {
    AHA_ASSIGN_OR_RETURN(std::vector<Part> parts,
                         FindParts(code.get(), word.text, budget));
    if (what.invert) {
      for (Part& part : parts) part.matched = !part.matched;
    }
    Apply(what.behavior, &parts);
    for (const Part& part : parts) {
      if (part.begin == part.end) continue;
      out.push_back({word.text.substr(part.begin, part.end - part.begin),
                     word.offset + part.begin});
    }
  }
  *words = std::move(out);
  return absl::OkStatus();
}

WordSplitter::WordSplitter() = default;
WordSplitter::~WordSplitter() = default;

absl::StatusOr<std::unique_ptr<WordSplitter>> WordSplitter::Create(
    std::vector<SplitStep> steps) {
  std::unique_ptr<WordSplitter> splitter(new WordSplitter);
  for (SplitStep& step : steps) {
    Code code;
    if (step.kind == SplitStep::Kind::kPattern) {
      AHA_ASSIGN_OR_RETURN(code, Compile(step.pattern));
    }
    splitter->steps_.push_back({std::move(step), std::move(code)});
  }
  return splitter;
}

absl::Status WordSplitter::Split(absl::string_view text, bool first,
                                 std::vector<Word>* words) const {
  if (text.empty()) return absl::OkStatus();
  int64_t budget =
      kBaseBudget + kBudgetPerByte * static_cast<int64_t>(text.size());
  std::vector<Word> parts = {{std::string(text), 0}};
  for (const Step& step : steps_) {
    AHA_RETURN_IF_ERROR(step.Run(first, &parts, &budget));
  }
  words->insert(words->end(), std::make_move_iterator(parts.begin()),
                std::make_move_iterator(parts.end()));
  return absl::OkStatus();
}

}  // namespace aha
