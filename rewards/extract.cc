#include "rewards/extract.h"

#include <algorithm>
#include <string>
#include <vector>

#include "absl/strings/ascii.h"
#include "absl/strings/match.h"
#include "rewards/number.h"
#include "rewards/plain_math.h"

namespace aha::rewards {
namespace {

using absl::string_view;

constexpr string_view kThink = "<think>";
constexpr string_view kEndThink = "</think>";
constexpr string_view kAnswer = "<answer>";
constexpr string_view kEndAnswer = "</answer>";

// Where the only occurrence begins; nothing if there is none or another.
std::optional<size_t> OnlyPosition(string_view text, string_view tag) {
  const size_t first = text.find(tag);
  if (first == string_view::npos || text.rfind(tag) != first) {
    return std::nullopt;
  }
  return first;
}

bool IsBlank(string_view text) {
  return absl::StripAsciiWhitespace(text).empty();
}

// Where the content of a box begins if the text at `i` is a box command; 0 if
// it is something else.
size_t BoxContent(string_view text, size_t i) {
  for (const string_view command : {"\\boxed", "\\fbox"}) {
    if (!absl::StartsWith(text.substr(i), command)) continue;
    const size_t end = i + command.size();
    const char next = end < text.size() ? text[end] : '\0';
    if (absl::ascii_isalpha(next)) return 0;  // Another command.
    return std::min(text.find_first_not_of(' ', end), text.size());
  }
  return 0;
}

// Reads a text from left to right and keeps its last box.
class BoxFinder {
 public:
  explicit BoxFinder(string_view text) : text_(text) {}

  std::optional<string_view> Find() {
    for (size_t i = 0; i < text_.size(); ++i) {
      if (text_[i] == '\\') {
        i = Backslash(i);
      } else if (text_[i] == '{') {
        open_.push_back({i + 1, false});
      } else if (text_[i] == '}' && !open_.empty()) {
        const Brace brace = open_.back();
        open_.pop_back();
        if (brace.boxed) Take(brace.inside, i);
      }
    }
    return last_;
  }

 private:
  struct Brace {
    size_t inside;
    bool boxed;
  };

  // The last position that was read.
  size_t Backslash(size_t i) {
    const size_t content = BoxContent(text_, i);
    if (content == 0) return i + 1;  // An escaped brace groups nothing.
    if (content < text_.size() && text_[content] == '{') {
      open_.push_back({content + 1, true});
      return content;
    }
    const size_t end =
        std::min(text_.find_first_of(" \t\r\n$", content), text_.size());
    if (end > content) Take(content, end);
    return content - 1;
  }

  void Take(size_t begin, size_t end) {
    if (last_ && begin < last_begin_) return;
    last_ = text_.substr(begin, end - begin);
    last_begin_ = begin;
  }

  const string_view text_;
  std::vector<Brace> open_;
  std::optional<string_view> last_;
  size_t last_begin_ = 0;
};

}  // namespace

bool HasThinkAnswerForm(string_view text) {
  const std::optional<size_t> think = OnlyPosition(text, kThink);
  const std::optional<size_t> end_think = OnlyPosition(text, kEndThink);
  const std::optional<size_t> answer = OnlyPosition(text, kAnswer);
  const std::optional<size_t> end_answer = OnlyPosition(text, kEndAnswer);
  if (!think || !end_think || !answer || !end_answer) return false;
  if (*think > *end_think || *end_think > *answer || *answer > *end_answer) {
    return false;
  }
  const size_t thought = *end_think + kEndThink.size();
  return IsBlank(text.substr(0, *think)) &&
         IsBlank(text.substr(thought, *answer - thought)) &&
         IsBlank(text.substr(*end_answer + kEndAnswer.size()));
}

std::optional<string_view> AnswerBlock(string_view text) {
  const size_t think = text.find(kThink);
  const size_t thought = text.rfind(kEndThink);
  if (think == string_view::npos || thought == string_view::npos ||
      thought < think) {
    return std::nullopt;
  }
  const string_view tail = text.substr(thought);
  const std::optional<size_t> begin = OnlyPosition(tail, kAnswer);
  const std::optional<size_t> end = OnlyPosition(tail, kEndAnswer);
  if (!begin || !end || *end < *begin) return std::nullopt;
  const size_t inside = *begin + kAnswer.size();
  return absl::StripAsciiWhitespace(tail.substr(inside, *end - inside));
}

std::optional<string_view> LastAnswerBlock(string_view text) {
  const size_t end = text.rfind(kEndAnswer);
  if (end == string_view::npos) return std::nullopt;
  const size_t begin = text.substr(0, end).rfind(kAnswer);
  if (begin == string_view::npos) return std::nullopt;
  const size_t inside = begin + kAnswer.size();
  return absl::StripAsciiWhitespace(text.substr(inside, end - inside));
}

string_view AfterThought(string_view text) {
  const size_t thought = text.rfind(kEndThink);
  return thought == string_view::npos ? text
                                      : text.substr(thought + kEndThink.size());
}

std::optional<string_view> LastBox(string_view text) {
  return BoxFinder(text).Find();
}

bool SameAnswer(string_view answer, string_view reference) {
  if (absl::StripAsciiWhitespace(answer) ==
      absl::StripAsciiWhitespace(reference)) {
    return true;
  }
  const std::string canonical = CanonicalMath(answer);
  if (!canonical.empty() && canonical == CanonicalMath(reference)) return true;
  const NumberReading given = WholeNumber(answer);
  const NumberReading wanted = WholeNumber(reference);
  return given.kind == NumberReading::Kind::kNumber &&
         wanted.kind == NumberReading::Kind::kNumber &&
         SameNumber(given.number, wanted.number);
}

}  // namespace aha::rewards
