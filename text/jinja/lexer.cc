#include "text/jinja/lexer.h"

#include <optional>
#include <utility>

#include "absl/strings/ascii.h"
#include "absl/strings/match.h"
#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_replace.h"
#include "absl/strings/strip.h"
#include "base/status.h"
#include "base/text.h"
#include "text/jinja/python_text.h"
#include "text/tokenizer_bytes.h"

namespace aha::jinja {
namespace {

using TokenType = Token::Type;

bool IsNameStart(char c) {
  return absl::ascii_isalpha(static_cast<unsigned char>(c)) || c == '_';
}
bool IsDigit(char c) {
  return absl::ascii_isdigit(static_cast<unsigned char>(c));
}
bool IsNameChar(char c) { return IsNameStart(c) || IsDigit(c); }

class Lexer {
 public:
  explicit Lexer(absl::string_view source) : source_(source) {}

  absl::StatusOr<std::vector<Token>> Run();

 private:
  // Statements, outputs, comments and raw blocks.
  absl::Status Construct();
  absl::Status Comment();
  // Whether {% raw %} begins here; then `inner` is what follows it.
  bool AtRaw(size_t* inner) const;
  absl::Status Raw(size_t begin, size_t inner);
  absl::Status Inside(TokenType end);
  absl::Status InsideToken();
  absl::Status Number();
  absl::Status String();
  absl::Status Operator();

  // Adds the text up to `end`, trimmed as the construct there prescribes.
  void AddText(size_t end, char sign, bool output);
  // Moves behind the end of a construct, which stands at at_, and its white
  // space. `newline`: an unsigned end takes a line end with it.
  void SkipEnd(absl::string_view end, bool newline);
  bool AtEnd(absl::string_view end) const;
  char SignAt(size_t at) const;
  char At(size_t at) const { return at < source_.size() ? source_[at] : '\0'; }
  void MoveTo(size_t at);
  void Add(TokenType type, std::string text) {
    tokens_.push_back({type, std::move(text), line_});
  }

  const absl::string_view source_;
  size_t at_ = 0;
  size_t text_ = 0;  // Where the text that was not added yet begins.
  int line_ = 1;
  int text_line_ = 1;
  bool line_starts_ = true;  // The last construct ended a line.
  std::string open_;         // Brackets of the present construct.
  std::vector<Token> tokens_;
};

void Lexer::MoveTo(size_t at) {
  for (; at_ < at; ++at_) line_ += source_[at_] == '\n' ? 1 : 0;
}

char Lexer::SignAt(size_t at) const {
  return At(at) == '-' || At(at) == '+' ? At(at) : '\0';
}

void Lexer::AddText(size_t end, char sign, bool output) {
  absl::string_view text = source_.substr(text_, end - text_);
  if (sign == '-') {
    text = StripRight(text);
  } else if (sign != '+' && !output) {
    const size_t line_end = text.rfind('\n');
    const size_t line = line_end == text.npos ? 0 : line_end + 1;
    if ((line > 0 || line_starts_) && StripLeft(text.substr(line)).empty()) {
      text = text.substr(0, line);
    }
  }
  if (!text.empty()) {
    tokens_.push_back({TokenType::kText, std::string(text), text_line_});
  }
}

bool Lexer::AtEnd(absl::string_view end) const {
  const bool sign = At(at_) == '-' || (At(at_) == '+' && end != "}}");
  return absl::StartsWith(source_.substr(at_ + (sign ? 1 : 0)), end);
}

void Lexer::SkipEnd(absl::string_view end, bool newline) {
  const char sign = SignAt(at_);
  size_t to = at_ + (sign != '\0' ? 1 : 0) + end.size();
  if (sign == '-') {
    to = source_.size() - StripLeft(source_.substr(to)).size();
  } else if (sign == '\0' && newline && At(to) == '\n') {
    ++to;
  }
  line_starts_ = source_[to - 1] == '\n';
  MoveTo(to);
  text_ = to;
  text_line_ = line_;
}

absl::Status Lexer::Comment() {
  const size_t begin = at_;
  const char begin_sign = SignAt(begin + 2);
  const size_t inner = begin + 2 + (begin_sign != '\0' ? 1 : 0);
  const size_t end = source_.find("#}", inner);
  if (end == source_.npos) {
    return ErrorAt(line_, "a comment must end in #}");
  }
  AddText(begin, begin_sign, false);
  const bool sign = end > inner && SignAt(end - 1) != '\0';
  MoveTo(sign ? end - 1 : end);
  SkipEnd("#}", true);
  return absl::OkStatus();
}

bool Lexer::AtRaw(size_t* inner) const {
  const size_t name = at_ + 2 + (SignAt(at_ + 2) != '\0' ? 1 : 0);
  absl::string_view rest = StripLeft(source_.substr(name));
  if (!absl::ConsumePrefix(&rest, "raw")) return false;
  rest = StripLeft(rest);
  if (absl::ConsumePrefix(&rest, "-%}")) {
    rest = StripLeft(rest);
  } else if (!absl::ConsumePrefix(&rest, "%}")) {
    return false;
  }
  *inner = source_.size() - rest.size();
  return true;
}

absl::Status Lexer::Raw(size_t begin, size_t inner) {
  AddText(begin, SignAt(begin + 2), false);
  MoveTo(inner);
  line_starts_ = source_[inner - 1] == '\n';
  text_ = inner;
  text_line_ = line_;
  for (size_t open = source_.find("{%", inner); open != source_.npos;
       open = source_.find("{%", open + 2)) {
    const char sign = SignAt(open + 2);
    absl::string_view rest =
        StripLeft(source_.substr(open + 2 + (sign != '\0' ? 1 : 0)));
    if (!absl::ConsumePrefix(&rest, "endraw")) continue;
    rest = StripLeft(rest);
    const size_t end = source_.size() - rest.size();
    const size_t sign_size = SignAt(end) != '\0' ? 1 : 0;
    if (!absl::StartsWith(rest.substr(sign_size), "%}")) continue;
    AddText(open, sign, false);
    MoveTo(end);
    SkipEnd("%}", true);
    return absl::OkStatus();
  }
  return ErrorAt(line_, "{% raw %} must end in {% endraw %}");
}

absl::Status Lexer::Number() {
  size_t end = at_;
  bool integer = true;
  const auto digits = [&] {
    while (IsDigit(At(end)) || (At(end) == '_' && IsDigit(At(end + 1)))) ++end;
  };
  digits();
  if (At(at_) == '0' && end == at_ + 1 &&
      absl::StrContains("xXoObB", source_.substr(end, 1)) &&
      end < source_.size()) {
    return UnsupportedAt(line_, "a number that is not decimal");
  }
  if (At(end) == '.' && IsDigit(At(end + 1))) {
    integer = false;
    ++end;
    digits();
  }
  const size_t sign = At(end + 1) == '+' || At(end + 1) == '-' ? 1 : 0;
  if ((At(end) == 'e' || At(end) == 'E') && IsDigit(At(end + 1 + sign))) {
    integer = false;
    end += 1 + sign;
    digits();
  }
  Add(integer ? TokenType::kInteger : TokenType::kFloat,
      absl::StrReplaceAll(source_.substr(at_, end - at_), {{"_", ""}}));
  MoveTo(end);
  return absl::OkStatus();
}

// Reads `digits` hexadecimal digits.
std::optional<uint32_t> Hex(absl::string_view text, size_t digits) {
  uint32_t code = 0;
  if (text.size() < digits) return std::nullopt;
  for (const char c : text.substr(0, digits)) {
    if (!absl::ascii_isxdigit(static_cast<unsigned char>(c))) {
      return std::nullopt;
    }
    code = code * 16 +
           static_cast<uint32_t>(IsDigit(c) ? c - '0' : (c | 0x20) - 'a' + 10);
  }
  return code;
}

// Appends what the escape after the backslash at the front of `rest` stands
// for. Returns its size, the backslash included; 0 if it is not supported.
size_t Unescape(absl::string_view rest, std::string* out) {
  static constexpr absl::string_view kLetters = "abfnrtv\\'\"";
  static constexpr absl::string_view kMeant = "\a\b\f\n\r\t\v\\'\"";
  const char c = rest[1];
  if (const size_t at = kLetters.find(c); at != kLetters.npos) {
    out->push_back(kMeant[at]);
    return 2;
  }
  if (c == '\n') return 2;
  if (c == 'N' || static_cast<unsigned char>(c) >= 0x80) return 0;
  if (c >= '0' && c <= '7') {
    uint32_t code = 0;
    size_t size = 1;
    for (; size < 4 && size < rest.size() && rest[size] >= '0' &&
           rest[size] <= '7';
         ++size) {
      code = code * 8 + static_cast<uint32_t>(rest[size] - '0');
    }
    AppendUtf8(code, out);
    return size;
  }
  const size_t digits = c == 'x' ? 2 : c == 'u' ? 4 : c == 'U' ? 8 : 0;
  if (digits == 0) {  // Python keeps the backslash.
    out->push_back('\\');
    return 1;
  }
  const std::optional<uint32_t> code = Hex(rest.substr(2), digits);
  if (!code || *code > 0x10FFFF || (*code >= 0xD800 && *code < 0xE000)) {
    return 0;
  }
  AppendUtf8(*code, out);
  return 2 + digits;
}

absl::Status Lexer::String() {
  const char quote = source_[at_];
  std::string text;
  size_t at = at_ + 1;
  while (at < source_.size() && source_[at] != quote) {
    if (source_[at] != '\\') {
      text.push_back(source_[at++]);
      continue;
    }
    if (at + 1 == source_.size()) break;
    const size_t size = Unescape(source_.substr(at), &text);
    if (size == 0) {
      return UnsupportedAt(
          line_, absl::StrCat("the escape ", Quote(source_.substr(at, 6)),
                              " in a text"));
    }
    at += size;
  }
  if (at >= source_.size()) {
    return ErrorAt(line_,
                   absl::StrCat("a text must end in ", std::string(1, quote)));
  }
  Add(TokenType::kString, std::move(text));
  MoveTo(at + 1);
  return absl::OkStatus();
}

absl::Status Lexer::Operator() {
  static constexpr absl::string_view kOperators[] = {
      "//", "**", "==", "!=", ">=", "<=", "+", "-", "/", "*", "%", "~", "[",
      "]",  "(",  ")",  "{",  "}",  ">",  "<", "=", ".", ":", "|", ",", ";"};
  for (const absl::string_view name : kOperators) {
    if (!absl::StartsWith(source_.substr(at_), name)) continue;
    const char c = name[0];
    if (c == '(' || c == '[' || c == '{') {
      open_.push_back(c == '(' ? ')' : c == '[' ? ']' : '}');
    } else if (c == ')' || c == ']' || c == '}') {
      if (open_.empty() || open_.back() != c) {
        return ErrorAt(line_, absl::StrCat("unexpected ", name));
      }
      open_.pop_back();
    }
    Add(TokenType::kOperator, std::string(name));
    MoveTo(at_ + name.size());
    return absl::OkStatus();
  }
  return ErrorAt(line_, absl::StrCat("unexpected character ",
                                     Quote(source_.substr(at_, 1))));
}

absl::Status Lexer::InsideToken() {
  const char c = source_[at_];
  if (c == '\'' || c == '"') return String();
  if (IsDigit(c)) return Number();
  if (!IsNameStart(c)) return Operator();
  size_t end = at_;
  while (IsNameChar(At(end))) ++end;
  Add(TokenType::kName, std::string(source_.substr(at_, end - at_)));
  MoveTo(end);
  return absl::OkStatus();
}

absl::Status Lexer::Inside(TokenType end) {
  const absl::string_view close = end == TokenType::kBlockEnd ? "%}" : "}}";
  const int begin = line_;
  while (true) {
    MoveTo(source_.size() - StripLeft(source_.substr(at_)).size());
    if (at_ == source_.size()) {
      return ErrorAt(begin,
                     absl::StrCat(end == TokenType::kBlockEnd ? "{%" : "{{",
                                  " must end in ", close));
    }
    if (open_.empty() && AtEnd(close)) break;
    AHA_RETURN_IF_ERROR(InsideToken());
  }
  Add(end, "");
  SkipEnd(close, end == TokenType::kBlockEnd);
  return absl::OkStatus();
}

absl::Status Lexer::Construct() {
  const size_t begin = at_;
  if (At(begin + 1) == '#') return Comment();
  const bool output = At(begin + 1) == '{';
  if (size_t inner = 0; !output && AtRaw(&inner)) return Raw(begin, inner);
  const char sign = SignAt(begin + 2);
  AddText(begin, sign, output);
  Add(output ? TokenType::kOutputBegin : TokenType::kBlockBegin, "");
  MoveTo(begin + 2 + (sign != '\0' ? 1 : 0));
  return Inside(output ? TokenType::kOutputEnd : TokenType::kBlockEnd);
}

absl::StatusOr<std::vector<Token>> Lexer::Run() {
  while (at_ < source_.size()) {
    const char next = At(at_ + 1);
    if (source_[at_] == '{' && (next == '%' || next == '{' || next == '#')) {
      AHA_RETURN_IF_ERROR(Construct());
    } else {
      MoveTo(at_ + 1);
    }
  }
  AddText(source_.size(), '+', false);
  Add(TokenType::kEnd, "");
  return std::move(tokens_);
}

}  // namespace

absl::StatusOr<std::vector<Token>> Tokenize(absl::string_view source) {
  // Jinja reads every kind of line end as a newline, and drops the last one.
  const std::string text =
      absl::StrReplaceAll(source, {{"\r\n", "\n"}, {"\r", "\n"}});
  return Lexer(absl::StripSuffix(text, "\n")).Run();
}

absl::Status ErrorAt(int line, absl::string_view message) {
  return absl::InvalidArgumentError(
      absl::StrCat("chat_template: line ", line, ": ", message));
}

absl::Status UnsupportedAt(int line, absl::string_view construct) {
  return absl::UnimplementedError(absl::StrCat(
      "chat_template: line ", line, ": ", construct, " is not supported"));
}

}  // namespace aha::jinja
