#include "text/jinja/python_text.h"

#include <string.h>
#include <utf8proc.h>

#include <algorithm>
#include <charconv>
#include <cmath>

#include "absl/strings/match.h"
#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"
#include "base/text.h"

namespace aha::jinja {
namespace {

constexpr char32_t kSharpS = 0xDF;

void AppendUpper(char32_t code, std::string* out) {
  if (code == kSharpS) {
    out->append("SS");
  } else {
    AppendUtf8(static_cast<char32_t>(
                   utf8proc_toupper(static_cast<utf8proc_int32_t>(code))),
               out);
  }
}

void AppendTitle(char32_t code, std::string* out) {
  if (code == kSharpS) {
    out->append("Ss");
  } else {
    AppendUtf8(static_cast<char32_t>(
                   utf8proc_totitle(static_cast<utf8proc_int32_t>(code))),
               out);
  }
}

void AppendLower(char32_t code, std::string* out) {
  AppendUtf8(static_cast<char32_t>(
                 utf8proc_tolower(static_cast<utf8proc_int32_t>(code))),
             out);
}

// Calls visit(code, character) for each character; malformed bytes are copied
// as they are.
template <typename Visit>
void ForEach(absl::string_view text, Visit visit) {
  for (size_t at = 0; at < text.size();) {
    const Utf8Char c = ReadUtf8(text, at);
    visit(c, text.substr(at, c.size));
    at += c.size;
  }
}

bool IsCased(char32_t code) {
  const auto category = utf8proc_category(static_cast<utf8proc_int32_t>(code));
  return category == UTF8PROC_CATEGORY_LU || category == UTF8PROC_CATEGORY_LL ||
         category == UTF8PROC_CATEGORY_LT;
}

bool IsLetter(char32_t code) {
  const auto category = utf8proc_category(static_cast<utf8proc_int32_t>(code));
  return IsCased(code) || category == UTF8PROC_CATEGORY_LM ||
         category == UTF8PROC_CATEGORY_LO;
}

bool IsNumeral(char32_t code) {
  const auto category = utf8proc_category(static_cast<utf8proc_int32_t>(code));
  return category == UTF8PROC_CATEGORY_ND;
}

bool IsPrintable(char32_t code) {
  if (code == ' ') return true;
  switch (utf8proc_category(static_cast<utf8proc_int32_t>(code))) {
    case UTF8PROC_CATEGORY_CN:
    case UTF8PROC_CATEGORY_CC:
    case UTF8PROC_CATEGORY_CF:
    case UTF8PROC_CATEGORY_CS:
    case UTF8PROC_CATEGORY_CO:
    case UTF8PROC_CATEGORY_ZS:
    case UTF8PROC_CATEGORY_ZL:
    case UTF8PROC_CATEGORY_ZP:
      return false;
    default:
      return true;
  }
}

// Where the last character of a text begins. REQUIRES: text is not empty.
size_t LastCharacter(absl::string_view text) {
  size_t at = text.size() - 1;
  while (at > 0 && text.size() - at < 4 && (text[at] & 0xC0) == 0x80) --at;
  return at + ReadUtf8(text, at).size == text.size() ? at : text.size() - 1;
}

template <typename Is>
absl::string_view StripIf(absl::string_view text, Side side, Is is) {
  while (side != Side::kRight && !text.empty()) {
    const size_t size = ReadUtf8(text, 0).size;
    if (!is(text.substr(0, size))) break;
    text.remove_prefix(size);
  }
  while (side != Side::kLeft && !text.empty()) {
    const size_t at = LastCharacter(text);
    if (!is(text.substr(at))) break;
    text = text.substr(0, at);
  }
  return text;
}

bool IsSpaceText(absl::string_view character) {
  return IsPythonSpace(ReadUtf8(character, 0).code);
}

std::vector<absl::string_view> SplitSpaces(absl::string_view text,
                                           int64_t limit, bool from_right) {
  std::vector<absl::string_view> out;
  const auto strip = from_right ? StripRight : StripLeft;
  text = strip(text);
  while (!text.empty()) {
    if (limit == 0) {
      out.push_back(text);
      break;
    }
    // The word at the end where the cuts begin.
    absl::string_view word = text;
    for (size_t at = from_right ? text.size() : 0;
         from_right ? at > 0 : at < text.size();) {
      const size_t begin = from_right ? LastCharacter(text.substr(0, at)) : at;
      const size_t end = from_right ? at : at + ReadUtf8(text, at).size;
      if (IsSpaceText(text.substr(begin, end - begin))) {
        word = from_right ? text.substr(end) : text.substr(0, begin);
        break;
      }
      at = from_right ? begin : end;
    }
    out.push_back(word);
    text = strip(from_right ? text.substr(0, text.size() - word.size())
                            : text.substr(word.size()));
    if (limit > 0) --limit;
  }
  if (from_right) std::reverse(out.begin(), out.end());
  return out;
}

// The size of the line end at the front; 0: there is none.
size_t LineEnd(absl::string_view text) {
  if (absl::StartsWith(text, "\r\n")) return 2;
  const Utf8Char c = ReadUtf8(text, 0);
  const bool end = (c.code >= 0x0A && c.code <= 0x0D) ||
                   (c.code >= 0x1C && c.code <= 0x1E) || c.code == 0x85 ||
                   c.code == 0x2028 || c.code == 0x2029;
  return end ? c.size : 0;
}

}  // namespace

bool IsPythonSpace(char32_t c) {
  return (c >= 0x09 && c <= 0x0D) || (c >= 0x1C && c <= 0x20) || c == 0x85 ||
         c == 0xA0 || c == 0x1680 || (c >= 0x2000 && c <= 0x200A) ||
         c == 0x2028 || c == 0x2029 || c == 0x202F || c == 0x205F ||
         c == 0x3000;
}

absl::string_view StripLeft(absl::string_view text) {
  return StripIf(text, Side::kLeft, IsSpaceText);
}
absl::string_view StripRight(absl::string_view text) {
  return StripIf(text, Side::kRight, IsSpaceText);
}
absl::string_view Strip(absl::string_view text) {
  return StripIf(text, Side::kBoth, IsSpaceText);
}

absl::string_view StripCharacters(absl::string_view text,
                                  absl::string_view characters, Side side) {
  const std::vector<absl::string_view> set = Characters(characters);
  return StripIf(text, side, [&](absl::string_view c) {
    return std::find(set.begin(), set.end(), c) != set.end();
  });
}

size_t Length(absl::string_view text) {
  size_t length = 0;
  ForEach(text, [&](const Utf8Char&, absl::string_view) { ++length; });
  return length;
}

std::vector<absl::string_view> Characters(absl::string_view text) {
  std::vector<absl::string_view> out;
  ForEach(text,
          [&](const Utf8Char&, absl::string_view c) { out.push_back(c); });
  return out;
}

std::string Upper(absl::string_view text) {
  std::string out;
  ForEach(text, [&](const Utf8Char& c, absl::string_view) {
    AppendUpper(c.code, &out);
  });
  return out;
}

std::string Lower(absl::string_view text) {
  std::string out;
  ForEach(text, [&](const Utf8Char& c, absl::string_view) {
    AppendLower(c.code, &out);
  });
  return out;
}

std::string Capitalize(absl::string_view text) {
  if (text.empty()) return "";
  std::string out;
  const Utf8Char first = ReadUtf8(text, 0);
  AppendTitle(first.code, &out);
  return out + Lower(text.substr(first.size));
}

std::string TitleMethod(absl::string_view text) {
  std::string out;
  bool within = false;
  ForEach(text, [&](const Utf8Char& c, absl::string_view) {
    if (within) {
      AppendLower(c.code, &out);
    } else {
      AppendTitle(c.code, &out);
    }
    within = IsCased(c.code);
  });
  return out;
}

std::string TitleFilter(absl::string_view text) {
  std::string out;
  bool begins = true;
  ForEach(text, [&](const Utf8Char& c, absl::string_view) {
    const bool cut = c.code == '-' || c.code == '(' || c.code == '{' ||
                     c.code == '[' || c.code == '<' || IsPythonSpace(c.code);
    if (begins && !cut) {
      AppendUpper(c.code, &out);
    } else {
      AppendLower(c.code, &out);
    }
    begins = cut;
  });
  return out;
}

std::optional<bool> HasClass(absl::string_view text, absl::string_view method) {
  bool upper = false, lower = false;
  bool digits = !text.empty(), letters = digits, spaces = digits, both = digits;
  ForEach(text, [&](const Utf8Char& c, absl::string_view) {
    const auto category =
        utf8proc_category(static_cast<utf8proc_int32_t>(c.code));
    upper |= category == UTF8PROC_CATEGORY_LU;
    lower |= category == UTF8PROC_CATEGORY_LL;
    digits &= IsNumeral(c.code);
    letters &= IsLetter(c.code);
    both &= IsNumeral(c.code) || IsLetter(c.code);
    spaces &= IsPythonSpace(c.code);
  });
  if (method == "isupper") return upper && !lower;
  if (method == "islower") return lower && !upper;
  if (method == "isdigit") return digits;
  if (method == "isalpha") return letters;
  if (method == "isalnum") return both;
  if (method == "isspace") return spaces;
  return std::nullopt;
}

std::vector<absl::string_view> Split(absl::string_view text,
                                     std::optional<absl::string_view> separator,
                                     int64_t limit, bool from_right) {
  if (!separator) return SplitSpaces(text, limit, from_right);
  std::vector<absl::string_view> out;
  while (limit != 0) {
    const size_t at =
        from_right ? text.rfind(*separator) : FindText(text, *separator);
    if (at == text.npos) break;
    const size_t end = at + separator->size();
    out.push_back(from_right ? text.substr(end) : text.substr(0, at));
    text = from_right ? text.substr(0, at) : text.substr(end);
    if (limit > 0) --limit;
  }
  out.push_back(text);
  if (from_right) std::reverse(out.begin(), out.end());
  return out;
}

std::vector<absl::string_view> SplitLines(absl::string_view text, bool keep) {
  std::vector<absl::string_view> out;
  size_t begin = 0;
  for (size_t at = 0; at < text.size();) {
    const size_t end = LineEnd(text.substr(at));
    if (end == 0) {
      at += ReadUtf8(text, at).size;
      continue;
    }
    out.push_back(text.substr(begin, at - begin + (keep ? end : 0)));
    at += end;
    begin = at;
  }
  if (begin < text.size()) out.push_back(text.substr(begin));
  return out;
}

size_t CountOf(absl::string_view text, absl::string_view from) {
  if (from.empty()) return Length(text) + 1;
  size_t count = 0;
  for (size_t at = FindText(text, from); at != text.npos;
       at = FindText(text, from, at + from.size())) {
    ++count;
  }
  return count;
}

std::string Replace(absl::string_view text, absl::string_view from,
                    absl::string_view to, int64_t limit) {
  std::string out;
  if (from.empty()) {  // Before each character, and at the end.
    for (const absl::string_view c : Characters(text)) {
      if (limit != 0) absl::StrAppend(&out, to);
      if (limit > 0) --limit;
      absl::StrAppend(&out, c);
    }
    return limit != 0 ? absl::StrCat(out, to) : out;
  }
  while (limit != 0) {
    const size_t at = FindText(text, from);
    if (at == text.npos) break;
    absl::StrAppend(&out, text.substr(0, at), to);
    text.remove_prefix(at + from.size());
    if (limit > 0) --limit;
  }
  return absl::StrCat(out, text);
}

size_t FindText(absl::string_view text, absl::string_view part, size_t at) {
  if (at > text.size()) return text.npos;
  if (part.empty()) return at;
  const void* found =
      memmem(text.data() + at, text.size() - at, part.data(), part.size());
  if (found == nullptr) return text.npos;
  return static_cast<size_t>(static_cast<const char*>(found) - text.data());
}

std::string ReprText(absl::string_view text) {
  const bool doubled =
      absl::StrContains(text, '\'') && !absl::StrContains(text, '"');
  const char quote = doubled ? '"' : '\'';
  std::string out(1, quote);
  ForEach(text, [&](const Utf8Char& c, absl::string_view character) {
    if (c.code == static_cast<char32_t>(quote) || c.code == '\\') {
      absl::StrAppend(&out, "\\", character);
    } else if (c.code == '\n') {
      out += "\\n";
    } else if (c.code == '\r') {
      out += "\\r";
    } else if (c.code == '\t') {
      out += "\\t";
    } else if (IsPrintable(c.code)) {
      absl::StrAppend(&out, character);
    } else if (c.code < 0x100) {
      absl::StrAppendFormat(&out, "\\x%02x", static_cast<uint32_t>(c.code));
    } else if (c.code < 0x10000) {
      absl::StrAppendFormat(&out, "\\u%04x", static_cast<uint32_t>(c.code));
    } else {
      absl::StrAppendFormat(&out, "\\U%08x", static_cast<uint32_t>(c.code));
    }
  });
  out.push_back(quote);
  return out;
}

std::string FloatText(double number) {
  if (std::isnan(number)) return "nan";
  if (std::isinf(number)) return number > 0 ? "inf" : "-inf";
  char buffer[64];
  // The shortest digits that give the number back, as d.ddde+XX.
  const auto end =
      std::to_chars(buffer, buffer + sizeof(buffer), std::abs(number),
                    std::chars_format::scientific);
  const absl::string_view all(buffer, static_cast<size_t>(end.ptr - buffer));
  const size_t mark = all.find('e');
  std::string digits(1, all[0]);
  if (mark > 1) absl::StrAppend(&digits, all.substr(2, mark - 2));
  int exponent = 0;
  // Always a number.
  (void)absl::SimpleAtoi(all.substr(mark + 1), &exponent);
  const std::string sign = std::signbit(number) ? "-" : "";
  const int count = static_cast<int>(digits.size());
  if (exponent < -4 || exponent >= 16) {
    return absl::StrFormat("%s%c%s%se%c%02d", sign, digits[0],
                           count > 1 ? "." : "", digits.substr(1),
                           exponent < 0 ? '-' : '+', std::abs(exponent));
  }
  if (exponent < 0) {
    return absl::StrCat(sign, "0.", std::string(-exponent - 1, '0'), digits);
  }
  if (count <= exponent + 1) {
    return absl::StrCat(sign, digits, std::string(exponent + 1 - count, '0'),
                        ".0");
  }
  return absl::StrCat(sign, digits.substr(0, exponent + 1), ".",
                      digits.substr(exponent + 1));
}

}  // namespace aha::jinja
