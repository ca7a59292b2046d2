#include "rewards/math/answer.h"

#include <algorithm>
#include <utility>
#include <vector>

#include "absl/algorithm/container.h"
#include "absl/strings/ascii.h"
#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "absl/strings/str_replace.h"
#include "absl/strings/strip.h"
#include "rewards/extract.h"
#include "rewards/math/budget.h"
#include "rewards/math/lexer.h"
#include "rewards/math/parser.h"
#include "rewards/number.h"

namespace aha::rewards::math {
namespace {

using absl::string_view;

// Boxes that are joined to a list, at most.
constexpr size_t kMaxBoxes = 64;
// Bytes between two boxes of one list.
constexpr size_t kMaxGap = 40;

size_t OffsetIn(string_view whole, string_view part) {
  return static_cast<size_t>(part.data() - whole.data());
}

// Whether what stands between two boxes makes a list of them.
bool JoinsBoxes(string_view gap) {
  if (gap.size() > kMaxGap) return false;
  std::string words = absl::StrReplaceAll(gap, {{"\\quad", " "},
                                                {"\\qquad", " "},
                                                {"\\text", " "},
                                                {"\\(", " "},
                                                {"\\)", " "},
                                                {"\\[", " "},
                                                {"\\]", " "},
                                                {"\\,", " "},
                                                {"$", " "},
                                                {"{", " "},
                                                {"}", " "},
                                                {",", " "},
                                                {";", " "},
                                                {"+", " "},
                                                {"&", " "}});
  for (char& c : words) c = absl::ascii_tolower(c);
  const string_view rest = absl::StripAsciiWhitespace(words);
  if (rest.empty()) return true;
  if (absl::StrContains(rest, '.') || absl::StrContains(gap, "\n\n")) {
    return false;
  }
  const std::string spaced = absl::StrCat(" ", rest, " ");
  return absl::StrContains(spaced, " and ") ||
         absl::StrContains(spaced, " or ");
}

// The last boxes of a text that make one list.
std::vector<std::string> LastBoxes(string_view text) {
  std::vector<std::string> boxes;
  string_view before = text;
  for (;;) {
    const auto box = LastBox(before);
    if (!box) break;
    const size_t begin = OffsetIn(before, *box);
    const size_t end = begin + box->size();
    if (!boxes.empty() &&
        !JoinsBoxes(absl::StripPrefix(before.substr(end), "}"))) {
      break;
    }
    boxes.emplace_back(*box);
    const string_view left = before.substr(0, begin);
    const size_t command =
        std::max(left.rfind("\\boxed") + 1, left.rfind("\\fbox") + 1);
    if (command == 0 || boxes.size() == kMaxBoxes) break;
    before = before.substr(0, command - 1);
    // An earlier box of the list would end just before.
    if (before.substr(before.size() - std::min(before.size(), kMaxGap + 1))
            .find('}') == string_view::npos) {
      break;
    }
  }
  std::reverse(boxes.begin(), boxes.end());
  return boxes;
}

std::optional<FoundAnswer> InBoxes(string_view text) {
  std::vector<std::string> boxes = LastBoxes(text);
  if (boxes.empty()) return std::nullopt;
  if (boxes.size() == 1) {
    return FoundAnswer{.text = std::move(boxes[0]), .place = "last box"};
  }
  std::string list = absl::StrJoin(boxes, ", ");
  return FoundAnswer{.text = std::move(list),
                     .boxes = std::move(boxes),
                     .place = "last boxes"};
}

// InBoxes, also where the backslashes were escaped once too often.
std::optional<FoundAnswer> InAnyBoxes(string_view text) {
  if (!absl::StrContains(text, "boxed") && !absl::StrContains(text, "\\fbox")) {
    return std::nullopt;
  }
  if (auto found = InBoxes(text)) return found;
  if (!absl::StrContains(text, "\\\\boxed{")) return std::nullopt;
  return InBoxes(absl::StrReplaceAll(text, {{"\\\\", "\\"}}));
}

struct Formula {
  size_t begin = 0;  // The opening delimiter's offset.
  size_t end = 0;    // The offset behind the closing one.
  string_view inside;
};

// Reads formulas from left to right.
class FormulaReader {
 public:
  explicit FormulaReader(string_view text) : text_(text) {}

  std::optional<Formula> Next() {
    while (at_ + 1 < text_.size()) {
      const size_t begin = at_;
      const string_view rest = text_.substr(at_);
      if (absl::StartsWith(rest, "\\[")) {
        if (auto formula = Until(begin, 2, "\\]")) return formula;
      } else if (absl::StartsWith(rest, "\\(")) {
        if (auto formula = Until(begin, 2, "\\)")) return formula;
      } else if (rest[0] == '\\') {
        at_ += 2;
      } else if (absl::StartsWith(rest, "$$")) {
        if (auto formula = Until(begin, 2, "$$")) return formula;
      } else if (rest[0] == '$') {
        if (auto formula = Until(begin, 1, "$")) return formula;
      } else {
        ++at_;
      }
    }
    return std::nullopt;
  }

 private:
  std::optional<Formula> Until(size_t begin, size_t open, string_view close) {
    at_ = begin + open;
    // What nothing closes here, nothing closes further on.
    if (absl::c_linear_search(never_closed_, close)) return std::nullopt;
    const size_t end = text_.find(close, at_);
    if (end == string_view::npos) {
      never_closed_.push_back(close);
      return std::nullopt;
    }
    const string_view inside = text_.substr(at_, end - at_);
    // "$5 and $6" are prices.
    if (close == "$" &&
        (absl::StrContains(inside, "\n\n") ||
         (absl::EndsWith(inside, " ") && !absl::StartsWith(inside, " ")))) {
      return std::nullopt;
    }
    at_ = end + close.size();
    return Formula{begin, at_, inside};
  }

  const string_view text_;
  size_t at_ = 0;
  std::vector<string_view> never_closed_;
};

std::optional<Formula> LastFormula(string_view text) {
  FormulaReader reader(text);
  std::optional<Formula> last;
  while (auto formula = reader.Next()) last = formula;
  return last;
}

// Up to the end of the sentence or of the line, whichever comes first; a
// formula is not cut.
string_view FirstSentence(string_view text) {
  FormulaReader reader(text);
  std::optional<Formula> formula = reader.Next();
  for (size_t i = 0; i < text.size(); ++i) {
    while (formula && formula->end <= i) formula = reader.Next();
    if (formula && i >= formula->begin) continue;
    const bool stop = text[i] == '.' && (i + 1 == text.size() ||
                                         absl::ascii_isspace(text[i + 1]));
    if (stop || text[i] == '\n') return text.substr(0, i);
  }
  return text;
}

bool IsExpression(string_view text) {
  Budget budget;
  return Parse(text, &budget).expression != nullptr;
}

// Whether a word of the text takes back what it says.
bool Denies(string_view text) {
  const std::string spaced =
      absl::StrCat(" ", absl::AsciiStrToLower(text), " ");
  for (const string_view word :
       {" not ", "n't ", " or ", " any ", " either "}) {
    if (absl::StrContains(spaced, word)) return true;
  }
  return false;
}

// The answer in a few words: "5", "$5$ apples", "that x is 5".
std::string InWords(string_view text) {
  text = absl::StripAsciiWhitespace(text);
  if (IsExpression(text) || Denies(text)) return std::string(text);
  for (const string_view verb : {" is ", " are ", " be ", " equals "}) {
    const size_t at = text.rfind(verb);
    if (at == string_view::npos) continue;
    const string_view said =
        absl::StripAsciiWhitespace(text.substr(at + verb.size()));
    if (!said.empty() && IsExpression(said)) {
      return std::string(StripDelimiters(said));
    }
  }
  if (const auto formula = LastFormula(text)) {
    return std::string(formula->inside);
  }
  // A number among words, but not what a formula says of it.
  const NumberReading number = LastNumber(text);
  const bool words = text.find_first_of("\\<>=") == string_view::npos;
  return words && number.kind == NumberReading::Kind::kNumber
             ? number.text
             : std::string(text);
}

// What follows "answer is", "answer:" and the like at the end of `before`'s
// continuation; nothing if it is another use of the word.
std::optional<string_view> BehindPhrase(string_view tail) {
  absl::ConsumePrefix(&tail, "s");
  bool said = false;
  for (bool moved = true; moved;) {
    moved = false;
    tail = absl::StripLeadingAsciiWhitespace(tail);
    for (const string_view skipped : {"**", "__", "\\textbf"}) {
      moved = absl::ConsumePrefix(&tail, skipped) || moved;
    }
    for (const string_view verb :
         {"is ", "are ", "would be ", "should be ", "is:", "is\n", ":", "="}) {
      if (!absl::ConsumePrefix(&tail, verb)) continue;
      said = moved = true;
      break;
    }
  }
  if (!said || tail.empty()) return std::nullopt;
  return tail;
}

std::optional<FoundAnswer> BehindAnswerIs(string_view text) {
  const std::string lower = absl::AsciiStrToLower(text);
  size_t end = lower.size();
  for (int tries = 0; tries < 8 && end > 0; ++tries) {
    const size_t at = lower.rfind("answer", end - 1);
    if (at == std::string::npos) break;
    end = at;
    const auto tail =
        BehindPhrase(text.substr(at + string_view("answer").size()));
    if (!tail) continue;
    FormulaReader reader(*tail);
    const std::optional<Formula> first = reader.Next();
    if (first && first->begin == 0) {
      return FoundAnswer{.text = std::string(first->inside),
                         .place = "behind 'answer'"};
    }
    const string_view sentence = FirstSentence(*tail);
    if (absl::StripAsciiWhitespace(sentence).empty()) continue;
    return FoundAnswer{.text = InWords(sentence),
                       .place = "behind 'answer'",
                       .at_end = sentence.size() == tail->size()};
  }
  return std::nullopt;
}

std::optional<FoundAnswer> BehindHashes(string_view text) {
  constexpr string_view kHashes = "####";
  const size_t at = text.rfind(kHashes);
  if (at == string_view::npos) return std::nullopt;
  string_view line = text.substr(at + kHashes.size());
  const size_t end = std::min(line.find('\n'), line.size());
  return FoundAnswer{.text = InWords(line.substr(0, end)),
                     .place = "behind ####",
                     .at_end = end == line.size()};
}

// The last formula, or the last number if that follows it.
std::optional<FoundAnswer> AtTheEnd(string_view text) {
  const std::optional<Formula> formula = LastFormula(text);
  const string_view tail = formula ? text.substr(formula->end) : text;
  const NumberReading number = LastNumber(tail);
  if (number.kind == NumberReading::Kind::kNumber) {
    return FoundAnswer{
        .text = number.text, .place = "last number", .at_end = number.at_end};
  }
  if (formula) {
    return FoundAnswer{.text = std::string(formula->inside),
                       .place = "last formula"};
  }
  // A short text may be the answer itself.
  const string_view all = absl::StripAsciiWhitespace(text);
  if (!all.empty() && all.size() <= 100 && IsExpression(all)) {
    return FoundAnswer{
        .text = std::string(all), .place = "all of it", .at_end = true};
  }
  return std::nullopt;
}

}  // namespace

std::optional<FoundAnswer> FindAnswer(string_view completion) {
  const string_view text = AfterThought(completion);
  const std::optional<string_view> block = LastAnswerBlock(text);
  const string_view scope = block.value_or(text);
  if (auto found = InAnyBoxes(scope)) return found;
  if (block) {
    if (auto found = BehindAnswerIs(*block)) return found;
    if (absl::StripAsciiWhitespace(*block).empty()) return std::nullopt;
    return FoundAnswer{.text = InWords(*block), .place = "answer block"};
  }
  if (auto found = BehindHashes(scope)) return found;
  if (auto found = BehindAnswerIs(scope)) return found;
  return AtTheEnd(scope);
}

std::string ReferenceAnswer(string_view reference) {
  if (auto found = InAnyBoxes(reference)) return std::move(found->text);
  if (IsExpression(reference)) return std::string(reference);
  if (auto found = BehindHashes(reference)) return std::move(found->text);
  if (auto found = BehindAnswerIs(reference)) return std::move(found->text);
  return std::string(reference);
}

}  // namespace aha::rewards::math
