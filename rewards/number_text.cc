#include "rewards/number_text.h"

#include "absl/strings/ascii.h"
#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/strip.h"

namespace aha {
namespace {

// U+2212, the typographic minus.
constexpr absl::string_view kMinusSign = "\xE2\x88\x92";

bool DigitAt(absl::string_view text, size_t i) {
  return i < text.size() && absl::ascii_isdigit(text[i]);
}

bool LetterAt(absl::string_view text, size_t i) {
  return i < text.size() && (absl::ascii_isalpha(text[i]) || text[i] == '_');
}

size_t EndOfDigits(absl::string_view text, size_t i) {
  while (DigitAt(text, i)) ++i;
  return i;
}

// Behind the digits at `begin`, thousands included: "1,234,567".
size_t EndOfInteger(absl::string_view text, size_t begin) {
  size_t end = EndOfDigits(text, begin);
  if (end - begin > 3) return end;
  while (end < text.size() && text[end] == ',' && DigitAt(text, end + 1) &&
         DigitAt(text, end + 2) && DigitAt(text, end + 3) &&
         !DigitAt(text, end + 4)) {
    end += 4;
  }
  return end;
}

// Canonical form of digits with optional commas and fraction.
std::string Canonical(bool negative, absl::string_view number) {
  const size_t point = number.find('.');
  std::string integer;
  for (const char c : number.substr(0, point)) {
    if (c != ',' && !(integer.empty() && c == '0')) integer += c;
  }
  absl::string_view fraction =
      point == absl::string_view::npos ? "" : number.substr(point + 1);
  while (absl::ConsumeSuffix(&fraction, "0")) {
  }
  if (integer.empty()) integer.push_back('0');
  if (fraction.empty()) {
    return absl::StrCat(negative && integer != "0" ? "-" : "", integer);
  }
  return absl::StrCat(negative ? "-" : "", integer, ".", fraction);
}

// Length of the minus that ends at `begin`, 0 if there is none.
size_t MinusBefore(absl::string_view text, size_t begin) {
  const absl::string_view before = text.substr(0, begin);
  size_t length = 0;
  if (absl::EndsWith(before, "-")) {
    length = 1;
  } else if (absl::EndsWith(before, kMinusSign)) {
    length = kMinusSign.size();
  } else {
    return 0;
  }
  if (begin == length) return length;
  const char previous = text[begin - length - 1];
  const bool operand = absl::ascii_isalnum(previous) || previous == ')' ||
                       previous == ']' || previous == '}' || previous == '_';
  return operand ? 0 : length;
}

struct Scanned {
  size_t begin;
  size_t end;
};

// The number that begins with the digit or point at `i`, if one does.
std::optional<Scanned> ScanNumber(absl::string_view text, size_t i) {
  size_t end = i;
  const bool has_integer = DigitAt(text, i);
  if (has_integer) end = EndOfInteger(text, i);
  if (end < text.size() && text[end] == '.' && DigitAt(text, end + 1)) {
    end = EndOfDigits(text, end + 1);
  } else if (!has_integer) {
    return std::nullopt;
  }
  return Scanned{i, end};
}

}  // namespace

std::optional<NumberInText> LastNumber(absl::string_view text) {
  std::optional<Scanned> last;
  for (size_t i = 0; i < text.size();) {
    const std::optional<Scanned> number = ScanNumber(text, i);
    // The second point of "1.2.3" begins nothing.
    const bool joined = i > 0 && (LetterAt(text, i - 1) ||
                                  (text[i] == '.' && DigitAt(text, i - 1)));
    if (number && !joined) last = number;
    i = number && !(joined && text[i] == '.') ? number->end : i + 1;
  }
  if (!last) return std::nullopt;
  return NumberInText{
      Canonical(MinusBefore(text, last->begin) > 0,
                text.substr(last->begin, last->end - last->begin)),
      last->end};
}

std::optional<std::string> WholeNumberText(absl::string_view text) {
  text = absl::StripAsciiWhitespace(text);
  const bool negative =
      absl::ConsumePrefix(&text, "-") || absl::ConsumePrefix(&text, kMinusSign);
  const std::optional<Scanned> number = ScanNumber(text, 0);
  if (!number) return std::nullopt;
  const absl::string_view rest = text.substr(number->end);
  if (!rest.empty() && rest != ".") return std::nullopt;
  return Canonical(negative, text.substr(0, number->end));
}

}  // namespace aha
