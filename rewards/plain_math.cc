#include "rewards/plain_math.h"

#include <algorithm>
#include <optional>

#include "absl/strings/ascii.h"
#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/strip.h"
#include "base/text.h"

namespace aha::rewards {
namespace {

struct Replacement {
  absl::string_view from;
  absl::string_view to;
};

// LaTeX commands by name.  What is not here stays.
constexpr Replacement kCommands[] = {
    {"big", ""},
    {"Big", ""},
    {"bigl", ""},
    {"bigr", ""},
    {"boxed", ""},
    {"cdot", "*"},
    {"cfrac", "\\frac"},
    {"circ", "\x01{degree}"},
    {"degree", "\x01{degree}"},
    {"dfrac", "\\frac"},
    {"displaystyle", ""},
    {"div", "/"},
    {"euro", "$"},
    {"fbox", ""},
    {"left", ""},
    {"mathbf", "\x01"},
    {"mathit", "\x01"},
    {"mathrm", "\x01"},
    {"mbox", "\x01"},
    {"pounds", "$"},
    {"qquad", " "},
    {"quad", " "},
    {"right", ""},
    {"text", "\x01"},
    {"textbf", "\x01"},
    {"textit", "\x01"},
    {"textrm", "\x01"},
    {"texttt", "\x01"},
    {"tfrac", "\\frac"},
    {"thinspace", " "},
    {"times", "*"},
};

struct CodePoint {
  char32_t code;
  absl::string_view to;
};

// Characters that no rule in RewriteCharacter covers.
constexpr CodePoint kCharacters[] = {
    {0x00A0, " "},
    {0x00AD, ""},
    {0x00B0, "\x01{degree}"},
    {0x00B1, "\\pm "},
    {0x00B7, "*"},
    {0x00BC, "\\frac{1}{4}"},
    {0x00BD, "\\frac{1}{2}"},
    {0x00BE, "\\frac{3}{4}"},
    {0x00D7, "*"},
    {0x00F7, "/"},
    {0x03B1, "\\alpha "},
    {0x03B2, "\\beta "},
    {0x03B8, "\\theta "},
    {0x03BB, "\\lambda "},
    {0x03C0, "\\pi "},
    {0x03C6, "\\phi "},
    {0x066A, "%"},
    {0x066B, "."},
    {0x066C, ","},
    {0x200B, ""},
    {0x200C, ""},
    {0x200D, ""},
    {0x2010, "-"},
    {0x2011, "-"},
    {0x2012, "-"},
    {0x2013, "-"},
    {0x2014, ";"},
    {0x2015, ";"},
    {0x2019, "'"},
    {0x202F, " "},
    {0x2044, "/"},
    {0x205F, " "},
    {0x2060, ""},
    {0x2150, "\\frac{1}{7}"},
    {0x2151, "\\frac{1}{9}"},
    {0x2152, "\\frac{1}{10}"},
    {0x2153, "\\frac{1}{3}"},
    {0x2154, "\\frac{2}{3}"},
    {0x2155, "\\frac{1}{5}"},
    {0x2156, "\\frac{2}{5}"},
    {0x2157, "\\frac{3}{5}"},
    {0x2158, "\\frac{4}{5}"},
    {0x2159, "\\frac{1}{6}"},
    {0x215A, "\\frac{5}{6}"},
    {0x215B, "\\frac{1}{8}"},
    {0x215C, "\\frac{3}{8}"},
    {0x215D, "\\frac{5}{8}"},
    {0x215E, "\\frac{7}{8}"},
    {0x211D, "\\mathbb{R}"},
    {0x2205, "\\emptyset "},
    {0x2208, "\\in "},
    {0x2212, "-"},
    {0x2215, "/"},
    {0x2217, "*"},
    {0x221A, "\\sqrt "},
    {0x221E, "\\infty "},
    {0x2229, "\\cap "},
    {0x222A, "\\cup "},
    {0x2248, "\\approx "},
    {0x2260, "\\neq "},
    {0x2264, "\\leq "},
    {0x2265, "\\geq "},
    {0x22C5, "*"},
    {0x3000, " "},
    {0xFE58, "-"},
    {0xFE63, "-"},
    {0xFEFF, ""},
};

// The digit 0-9 that a character of another script or style stands for.
std::optional<char> ForeignDigit(char32_t code) {
  constexpr char32_t kZeros[] = {0x0660, 0x06F0, 0x0966, 0xFF10};
  for (const char32_t zero : kZeros) {
    if (code >= zero && code < zero + 10) {
      return static_cast<char>('0' + (code - zero));
    }
  }
  if (code >= 0x1D7CE && code <= 0x1D7FF) {  // Mathematical styles.
    return static_cast<char>('0' + (code - 0x1D7CE) % 10);
  }
  return std::nullopt;
}

// '0' to '9', '+' or '-' if the character is one as a superscript.
std::optional<char> Superscript(char32_t code) {
  if (code == 0x00B9) return '1';
  if (code == 0x00B2) return '2';
  if (code == 0x00B3) return '3';
  if (code == 0x2070 || (code >= 0x2074 && code <= 0x2079)) {
    return static_cast<char>('0' + (code - 0x2070));
  }
  if (code == 0x207A) return '+';
  if (code == 0x207B) return '-';
  return std::nullopt;
}

bool IsSubscript(char32_t code) { return code >= 0x2080 && code <= 0x2089; }

// Rewrites one text from left to right.
class PlainWriter {
 public:
  explicit PlainWriter(absl::string_view text) : text_(text) {
    out_.reserve(text.size());
  }

  std::string Write() {
    while (at_ < text_.size()) {
      const char c = text_[at_];
      if (c == '\\') {
        Backslash();
      } else if (c == '{' && Group(",")) {
        out_ += ',';
      } else if (c == '{' && Group(".")) {
        out_ += '.';
      } else if (c == '^' && Degree()) {
        out_ += "\x01{degree}";
      } else if (c == '~' || c == kTextMark) {
        out_ += ' ';
        ++at_;
      } else if (static_cast<unsigned char>(c) < 0x80) {
        out_ += c;
        ++at_;
      } else {
        Character();
      }
    }
    return std::move(out_);
  }

 private:
  bool Consume(absl::string_view what) {
    if (!absl::StartsWith(text_.substr(at_), what)) return false;
    at_ += what.size();
    return true;
  }
  bool Group(absl::string_view inside) {
    return Consume(absl::StrCat("{", inside, "}"));
  }
  bool Degree() { return Consume("^\\circ") || Consume("^{\\circ}"); }

  void Backslash() {
    const char next = at_ + 1 < text_.size() ? text_[at_ + 1] : ' ';
    if (absl::ascii_isalpha(next)) return Command();
    at_ = std::min(at_ + 2, text_.size());
    if (absl::StrContains("$%#&_", next)) {
      out_ += next;
    } else if (absl::StrContains("()[]", next)) {
      out_ += '$';
    } else if (absl::StrContains(",:; \n", next)) {
      out_ += ' ';
    } else if (next == '\\') {
      out_ += '\n';
    } else if (next != '!') {
      out_ += '\\';
      --at_;  // What follows is written by its own rule.
      if (next == '{' || next == '}') out_ += text_[at_++];
    }
  }

  void Command() {
    const size_t begin = ++at_;
    while (at_ < text_.size() && absl::ascii_isalpha(text_[at_])) ++at_;
    const absl::string_view name = text_.substr(begin, at_ - begin);
    const auto* const found =
        std::find_if(std::begin(kCommands), std::end(kCommands),
                     [&](const Replacement& r) { return r.from == name; });
    if (found == std::end(kCommands)) {
      absl::StrAppend(&out_, "\\", name);
    } else if (found->to == "\x01") {
      while (at_ < text_.size() && text_[at_] == ' ') ++at_;
      if (at_ < text_.size() && text_[at_] == '{') out_ += kTextMark;
    } else {
      absl::StrAppend(&out_, found->to);
    }
    // "\approx5": a command ends where its letters end.
    if (at_ < text_.size() && absl::ascii_isdigit(text_[at_]) &&
        !out_.empty() && absl::ascii_isalpha(out_.back())) {
      out_ += ' ';
    }
  }

  void Character() {
    const Utf8Char c = ReadUtf8(text_, at_);
    if (Superscript(c.code)) return SuperscriptRun();
    if (IsSubscript(c.code)) return SubscriptRun();
    if (const std::optional<char> digit = ForeignDigit(c.code)) {
      out_ += *digit;
    } else if (c.code >= 0xFF01 && c.code <= 0xFF5E) {  // Full-width ASCII.
      out_ += static_cast<char>(c.code - 0xFEE0);
    } else if (c.code >= 0x2000 && c.code <= 0x200A) {
      out_ += ' ';
    } else if ((c.code >= 0x20A0 && c.code <= 0x20CF) ||
               (c.code >= 0xA2 && c.code <= 0xA5)) {
      out_ += '$';
    } else {
      const auto* const found =
          std::find_if(std::begin(kCharacters), std::end(kCharacters),
                       [&](const CodePoint& p) { return p.code == c.code; });
      absl::StrAppend(&out_, found != std::end(kCharacters)
                                 ? found->to
                                 : text_.substr(at_, c.size));
    }
    at_ += c.size;
  }

  void SuperscriptRun() {
    out_ += "^{";
    while (at_ < text_.size()) {
      const Utf8Char c = ReadUtf8(text_, at_);
      const std::optional<char> plain = Superscript(c.code);
      if (!plain) break;
      out_ += *plain;
      at_ += c.size;
    }
    out_ += '}';
  }

  void SubscriptRun() {
    out_ += '_';
    while (at_ < text_.size()) {
      const Utf8Char c = ReadUtf8(text_, at_);
      if (!IsSubscript(c.code)) break;
      out_ += static_cast<char>('0' + (c.code - 0x2080));
      at_ += c.size;
    }
  }

  const absl::string_view text_;
  size_t at_ = 0;
  std::string out_;
};

// Whether one pair of braces, or of dollar signs, stands around the whole.
bool StripOuter(std::string* text) {
  if (text->size() < 2) return false;
  const bool dollars = text->front() == '$' && text->back() == '$';
  const bool braces = text->front() == '{' && text->back() == '}' &&
                      MatchBraces(*text)[0] == text->size() - 1;
  if (!dollars && !braces) return false;
  *text = text->substr(1, text->size() - 2);
  return true;
}

// Without kTextMark and the braces that follow it.
std::string WithoutTextGroups(const std::string& plain) {
  const std::vector<uint32_t> match = MatchBraces(plain);
  std::vector<bool> dropped(plain.size());
  for (size_t i = 0; i + 1 < plain.size(); ++i) {
    if (plain[i] != kTextMark) continue;
    dropped[i] = true;
    if (match[i + 1] == 0) continue;
    dropped[i + 1] = true;
    dropped[match[i + 1]] = true;
  }
  std::string out;
  for (size_t i = 0; i < plain.size(); ++i) {
    if (!dropped[i] && plain[i] != kTextMark) out += plain[i];
  }
  return out;
}

}  // namespace

std::string PlainMath(absl::string_view text) {
  return PlainWriter(text).Write();
}

std::vector<uint32_t> MatchBraces(absl::string_view plain) {
  std::vector<uint32_t> match(plain.size());
  std::vector<uint32_t> open;
  for (size_t i = 0; i < plain.size(); ++i) {
    if (plain[i] == '\\') {
      ++i;
    } else if (plain[i] == '{') {
      open.push_back(static_cast<uint32_t>(i));
    } else if (plain[i] == '}' && !open.empty()) {
      match[open.back()] = static_cast<uint32_t>(i);
      open.pop_back();
    }
  }
  return match;
}

std::string CanonicalMath(absl::string_view text) {
  std::string plain = WithoutTextGroups(PlainMath(text));
  // Each round is linear; honest texts need two or three.
  for (int round = 0; round < 8; ++round) {
    plain = std::string(absl::StripAsciiWhitespace(plain));
    if (!StripOuter(&plain)) break;
  }
  std::string out;
  for (size_t i = 0; i < plain.size(); ++i) {
    if (!absl::ascii_isspace(plain[i])) {
      out += plain[i];
      continue;
    }
    const size_t next = plain.find_first_not_of(" \t\r\n\f\v", i);
    if (next == std::string::npos) break;
    if (!out.empty() && absl::ascii_isalnum(out.back()) &&
        absl::ascii_isalnum(plain[next])) {
      out += ' ';
    }
    i = next - 1;
  }
  return out;
}

}  // namespace aha::rewards
