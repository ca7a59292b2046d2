#include "rewards/number.h"

#include <algorithm>
#include <array>
#include <charconv>
#include <cstdint>
#include <optional>
#include <utility>
#include <vector>

#include "absl/strings/ascii.h"
#include "absl/strings/match.h"
#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/strip.h"
#include "rewards/plain_math.h"

namespace aha::rewards {
namespace {

using absl::string_view;
using Kind = NumberReading::Kind;

// A number's parts as they stand in plain text; nothing is computed yet.
struct Scanned {
  size_t begin = 0;
  size_t end = 0;
  bool valid = true;
  string_view whole;        // Decimal: "1,234.5"; may be empty.
  string_view numerator;    // Decimal; empty if there is no fraction.
  string_view denominator;  // Decimal.
  bool negative = false;    // Sign of numerator and denominator together.
  string_view exponent;     // Power of ten: "-5"; empty if there is none.
  string_view power;        // whole^power; empty if there is none.
  bool percent = false;
  int64_t scale = 1;  // Value of a word: 1000.
};

struct ScaleWord {
  string_view word;
  int64_t scale;  // 0: percent.
};
constexpr ScaleWord kScaleWords[] = {
    {"percent", 0},          {"pct", 0},
    {"dozen", 12},           {"hundred", 100},
    {"thousand", 1000},      {"million", 1'000'000},
    {"billion", 1000000000}, {"trillion", 1'000'000'000'000},
};

// Commands whose operand, or whose neighbour, is not the answer.
constexpr string_view kOpaque[] = {
    "sqrt", "pi", "infty", "binom", "dbinom", "tbinom", "overline",
    "log",  "ln", "exp",   "sin",   "cos",    "tan",
};

// Whether both are short whole numbers and the first is the smaller one.
bool IsProper(string_view numerator, string_view denominator) {
  int top = 0;
  int bottom = 0;
  return numerator.size() <= 3 && denominator.size() <= 3 &&
         absl::SimpleAtoi(numerator, &top) &&
         absl::SimpleAtoi(denominator, &bottom) && top < bottom;
}

class NumberScanner {
 public:
  explicit NumberScanner(string_view plain)
      : s_(plain), match_(MatchBraces(plain)) {}

  // The number that begins at i, if one does.
  std::optional<Scanned> ScanAt(size_t i) const;
  // The next number or malformed one from *at on; *at moves behind it.
  std::optional<Scanned> Next(size_t* at) const;
  // Whether the number has a minus before it, as prose is read.
  bool MinusBefore(size_t begin) const;

 private:
  char At(size_t i) const { return i < s_.size() ? s_[i] : '\0'; }
  bool DigitAt(size_t i) const { return absl::ascii_isdigit(At(i)); }
  size_t SkipSpaces(size_t i) const {
    while (At(i) == ' ') ++i;
    return i;
  }
  size_t EndOfDigits(size_t i) const {
    while (DigitAt(i)) ++i;
    return i;
  }
  bool IsOpaque(size_t i) const;
  bool IsJoined(size_t i) const;

  size_t EndOfInteger(size_t begin) const;
  size_t EndOfDecimal(size_t begin) const;
  size_t EndOfOpaque(size_t i) const;
  string_view Part(size_t begin, size_t end) const {
    return s_.substr(begin, end - begin);
  }
  // Each moves scanned->end, or clears scanned->valid.
  void Fraction(Scanned* scanned) const;
  bool FractionArgument(Scanned* scanned, string_view* argument) const;
  void Slash(Scanned* scanned) const;
  void Mixed(Scanned* scanned) const;
  void Exponents(Scanned* scanned) const;
  string_view Power(size_t i, size_t* end) const;
  void Suffix(Scanned* scanned) const;
  void Malformed(Scanned* scanned) const;

  const string_view s_;
  const std::vector<uint32_t> match_;
};

bool NumberScanner::IsOpaque(size_t i) const {
  if (At(i) != '\\') return false;
  size_t end = i + 1;
  while (absl::ascii_isalpha(At(end))) ++end;
  return std::find(std::begin(kOpaque), std::end(kOpaque), Part(i + 1, end)) !=
         std::end(kOpaque);
}

// Behind the command, its indices, arguments and operand.
size_t NumberScanner::EndOfOpaque(size_t i) const {
  size_t end = i + 1;
  while (absl::ascii_isalpha(At(end))) ++end;
  const bool constant = Part(i + 1, end) == "pi" || Part(i + 1, end) == "infty";
  for (;;) {
    const size_t next = SkipSpaces(end);
    if (At(next) == '{' && match_[next] > 0) {
      end = match_[next] + 1;
    } else if ((At(next) == '_' || At(next) == '^') && next + 1 < s_.size()) {
      end = next + 1;
      if (At(end) != '{') ++end;
    } else if (!constant && DigitAt(next)) {
      return EndOfDecimal(next);
    } else {
      return std::max(end, i + 1);
    }
  }
}

// Behind the digits at `begin`, thousands included: "1,234,567", "1 234".
size_t NumberScanner::EndOfInteger(size_t begin) const {
  size_t end = EndOfDigits(begin);
  if (end == begin || end - begin > 3) return end;
  const char separator = At(end);
  if (separator != ',' && separator != ' ' && separator != '\'') return end;
  while (At(end) == separator && DigitAt(end + 1) && DigitAt(end + 2) &&
         DigitAt(end + 3) && !DigitAt(end + 4)) {
    end += 4;
  }
  return end;
}

size_t NumberScanner::EndOfDecimal(size_t begin) const {
  const size_t end = EndOfInteger(begin);
  return At(end) == '.' && DigitAt(end + 1) ? EndOfDigits(end + 1) : end;
}

// An argument of \frac: "{-12}", or one digit.
bool NumberScanner::FractionArgument(Scanned* scanned,
                                     string_view* argument) const {
  size_t i = SkipSpaces(scanned->end);
  if (DigitAt(i)) {
    *argument = Part(i, i + 1);
    scanned->end = i + 1;
    return true;
  }
  if (At(i) != '{' || match_[i] == 0) return false;
  const size_t close = match_[i];
  i = SkipSpaces(i + 1);
  if (At(i) == '-') {
    scanned->negative = !scanned->negative;
    i = SkipSpaces(i + 1);
  }
  const size_t end = EndOfDecimal(i);
  *argument = Part(i, end);
  scanned->end = close + 1;
  return end > i && SkipSpaces(end) == close;
}

void NumberScanner::Fraction(Scanned* scanned) const {
  scanned->end += string_view("\\frac").size();
  const bool top = FractionArgument(scanned, &scanned->numerator);
  const bool bottom = FractionArgument(scanned, &scanned->denominator);
  scanned->valid = scanned->valid && top && bottom;
}

// "1/2", with or without spaces; a chain of them is a date.
void NumberScanner::Slash(Scanned* scanned) const {
  for (int links = 0;; ++links) {
    const size_t slash = SkipSpaces(scanned->end);
    const size_t digits = SkipSpaces(slash + 1);
    if (At(slash) != '/' || !DigitAt(digits)) return;
    const size_t end = EndOfDecimal(digits);
    if (links == 0 && scanned->numerator.empty()) {
      scanned->numerator = std::exchange(scanned->whole, {});
      scanned->denominator = Part(digits, end);
    } else {
      scanned->valid = false;
    }
    scanned->end = end;
  }
}

// "7 3/4" and "7\frac{3}{4}": a proper fraction behind a number.
void NumberScanner::Mixed(Scanned* scanned) const {
  const size_t fraction = SkipSpaces(scanned->end);
  if (absl::StartsWith(s_.substr(fraction), "\\frac")) {
    scanned->end = fraction;
    Fraction(scanned);
    // "3\frac{5}{2}" is rather a product.
    if (scanned->negative ||
        !IsProper(scanned->numerator, scanned->denominator)) {
      scanned->valid = false;
    }
    return;
  }
  const size_t top = scanned->end + 1;
  const size_t slash = EndOfDigits(top);
  const size_t bottom = slash + 1;
  const size_t end = EndOfDigits(bottom);
  if (At(scanned->end) != ' ' || At(slash) != '/' || At(end) == '/' ||
      !IsProper(Part(top, slash), Part(bottom, end))) {
    return;
  }
  scanned->numerator = Part(top, slash);
  scanned->denominator = Part(bottom, end);
  scanned->end = end;
}

// The exponent behind the '^' at i: "{-5}", "5"; empty if there is no number.
string_view NumberScanner::Power(size_t i, size_t* end) const {
  i = SkipSpaces(i + 1);
  const char open = At(i);
  const bool grouped = open == '{' || open == '(';
  if (grouped) i = SkipSpaces(i + 1);
  const size_t digits = At(i) == '-' || At(i) == '+' ? i + 1 : i;
  size_t after = EndOfDigits(digits);
  const string_view exponent = Part(i, after);
  *end = after;
  if (after == digits) return {};
  if (!grouped) return exponent;
  after = SkipSpaces(after);
  *end = after + 1;
  return At(after) == (open == '{' ? '}' : ')') ? exponent : string_view();
}

// "1e5", "10^5" and "3 \times 10^5" (plain: "3 * 10^5").
void NumberScanner::Exponents(Scanned* scanned) const {
  size_t i = scanned->end;
  if (At(i) == 'e' || At(i) == 'E') {
    const size_t digits = At(i + 1) == '-' || At(i + 1) == '+' ? i + 2 : i + 1;
    const size_t end = EndOfDigits(digits);
    if (end == digits || absl::ascii_isalpha(At(end))) return;
    scanned->exponent = Part(i + 1, end);
    scanned->end = end;
    return;
  }
  i = SkipSpaces(i);
  if (At(i) == '^') {
    size_t end = i + 1;
    scanned->power = Power(i, &end);
    scanned->valid = scanned->valid && !scanned->power.empty();
    scanned->end = std::min(end, s_.size());
    return;
  }
  if (At(i) != '*' && At(i) != 'x') return;
  i = SkipSpaces(i + 1);
  if (Part(i, std::min(i + 2, s_.size())) != "10") return;
  i = SkipSpaces(i + 2);
  if (At(i) != '^') return;
  size_t end = i + 1;
  scanned->exponent = Power(i, &end);
  scanned->valid = scanned->valid && !scanned->exponent.empty();
  scanned->end = std::min(end, s_.size());
}

void NumberScanner::Suffix(Scanned* scanned) const {
  const size_t i = SkipSpaces(scanned->end);
  if (At(i) == '%') {
    scanned->percent = true;
    scanned->end = i + 1;
    return;
  }
  // "\text{ million}" too.
  const bool text = At(i) == kTextMark && At(i + 1) == '{';
  const size_t begin = text ? SkipSpaces(i + 2) : i;
  size_t end = begin;
  while (absl::ascii_isalpha(At(end)) && end - begin < 16) ++end;
  for (const ScaleWord& scale : kScaleWords) {
    if (!absl::EqualsIgnoreCase(Part(begin, end), scale.word)) continue;
    if (text && At(SkipSpaces(end)) != '}') return;
    scanned->percent = scale.scale == 0;
    scanned->scale = std::max<int64_t>(scale.scale, 1);
    scanned->end = text ? SkipSpaces(end) + 1 : end;
    return;
  }
}

// What makes the digits before it a part of something else.
void NumberScanner::Malformed(Scanned* scanned) const {
  const char next = At(scanned->end);
  if (absl::StrContains(".,:/", next) && DigitAt(scanned->end + 1)) {
    scanned->valid = false;
    while (DigitAt(scanned->end) ||
           (absl::StrContains(".,:/", At(scanned->end)) &&
            DigitAt(scanned->end + 1))) {
      ++scanned->end;
    }
  }
  // "5x" is a product with an unknown; "5m" is not.
  if (absl::StrContains("inxyz", next) &&
      !absl::ascii_isalnum(At(scanned->end + 1))) {
    scanned->valid = false;
  }
  size_t product = SkipSpaces(scanned->end);
  if (At(product) == '^') {
    scanned->valid = false;
    Power(product, &scanned->end);
    scanned->end = std::min(scanned->end, s_.size());
    return;
  }
  if (At(product) == '*') product = SkipSpaces(product + 1);
  if (IsOpaque(product)) {
    scanned->valid = false;
    scanned->end = EndOfOpaque(product);
  } else if (absl::StartsWith(s_.substr(scanned->end), "\\frac")) {
    scanned->valid = false;
    Fraction(scanned);
  }
}

std::optional<Scanned> NumberScanner::ScanAt(size_t i) const {
  Scanned scanned;
  scanned.begin = scanned.end = i;
  if (IsOpaque(i)) {
    scanned.valid = false;
    scanned.end = EndOfOpaque(i);
    return scanned;
  }
  if (absl::StartsWith(s_.substr(i), "\\frac")) {
    Fraction(&scanned);
  } else if (DigitAt(i) || (At(i) == '.' && DigitAt(i + 1))) {
    scanned.end = EndOfDecimal(i);
    scanned.whole = Part(i, scanned.end);
    Mixed(&scanned);
    if (scanned.numerator.empty()) Exponents(&scanned);
    if (scanned.exponent.empty() && scanned.power.empty()) Slash(&scanned);
  } else {
    return std::nullopt;
  }
  Malformed(&scanned);
  if (scanned.valid) Suffix(&scanned);
  return scanned;
}

// Digits behind a letter, an underscore or a letter's '^' belong to it.
bool NumberScanner::IsJoined(size_t i) const {
  const auto before = [this](size_t at) { return at > 0 ? s_[at - 1] : '\0'; };
  if (absl::ascii_isalpha(before(i)) || before(i) == '_') return true;
  if (before(i) == '-' || before(i) == '+') --i;
  if (before(i) == '{') --i;
  if (before(i) == '_') return true;
  return before(i) == '^' && before(i - 1) != ')';
}

std::optional<Scanned> NumberScanner::Next(size_t* at) const {
  while (*at < s_.size()) {
    const size_t begin = *at;
    std::optional<Scanned> scanned = ScanAt(begin);
    if (!scanned) {
      ++*at;
      continue;
    }
    if (At(begin) != '\\' && IsJoined(begin)) {
      // In "x2.5" the point begins no number.
      *at = std::max(EndOfDecimal(begin), begin + 1);
      continue;
    }
    *at = std::max(scanned->end, begin + 1);
    size_t before = begin;
    while (before > 0 && absl::StrContains(" {", s_[before - 1])) --before;
    // What it divides, or is the exponent of, is not known.
    if (before > 0 && (s_[before - 1] == '/' || s_[before - 1] == '^')) {
      scanned->valid = false;
    }
    return scanned;
  }
  return std::nullopt;
}

bool NumberScanner::MinusBefore(size_t begin) const {
  const auto operand = [this](size_t end) {
    return end > 0 && (absl::ascii_isalnum(s_[end - 1]) ||
                       absl::StrContains(")]}_%", s_[end - 1]));
  };
  size_t i = begin;
  bool gap = false;
  while (i > 0 && absl::StrContains(" ${", s_[i - 1])) {
    gap = gap || s_[i - 1] == ' ';
    --i;
  }
  if (i == 0 || s_[i - 1] != '-') return false;
  --i;
  if (operand(i)) return false;
  if (!gap) return true;
  while (i > 0 && s_[i - 1] == ' ') --i;
  const bool bullet = i == 0 || s_[i - 1] == '\n';
  return !bullet && !operand(i);
}

// The digits of a decimal, and how many of them stand behind the point.
std::optional<mpq_class> DecimalValue(string_view decimal) {
  std::string digits;
  size_t behind = 0;
  bool point = false;
  for (const char c : decimal) {
    if (c == '.') point = true;
    if (!absl::ascii_isdigit(c)) continue;
    digits += c;
    behind += point;
    if (digits.size() > kMaxDigits) return std::nullopt;
  }
  mpz_class scale;
  mpz_ui_pow_ui(scale.get_mpz_t(), 10, behind);
  mpq_class value(mpz_class(digits, 10), scale);
  value.canonicalize();
  return value;
}

// base^exponent, if it has few enough digits.
std::optional<mpq_class> PowerValue(const mpq_class& base,
                                    string_view exponent) {
  int64_t count = 0;
  if (!absl::SimpleAtoi(absl::StripPrefix(exponent, "+"), &count)) {
    return std::nullopt;
  }
  const auto magnitude = static_cast<uint64_t>(count < 0 ? -count : count);
  const size_t bits = std::max(mpz_sizeinbase(base.get_num_mpz_t(), 2),
                               mpz_sizeinbase(base.get_den_mpz_t(), 2));
  constexpr uint64_t kMaxBits = uint64_t{kMaxDigits} * 10 / 3;
  const bool fits = base == 10
                        ? magnitude <= kMaxDigits
                        : magnitude <= kMaxBits && bits * magnitude <= kMaxBits;
  if (!fits) return std::nullopt;
  mpz_class top;
  mpz_class bottom;
  mpz_pow_ui(top.get_mpz_t(), base.get_num_mpz_t(), magnitude);
  mpz_pow_ui(bottom.get_mpz_t(), base.get_den_mpz_t(), magnitude);
  if (count < 0) std::swap(top, bottom);
  if (bottom == 0) return std::nullopt;
  mpq_class value(top, bottom);
  value.canonicalize();
  return value;
}

// Without its sign, nothing if it is too large.
std::optional<mpq_class> Magnitude(const Scanned& scanned) {
  std::optional<mpq_class> value = mpq_class(0);
  if (!scanned.whole.empty()) value = DecimalValue(scanned.whole);
  if (value && !scanned.power.empty())
    value = PowerValue(*value, scanned.power);
  if (value && !scanned.exponent.empty()) {
    const std::optional<mpq_class> factor = PowerValue(10, scanned.exponent);
    if (!factor) return std::nullopt;
    *value *= *factor;
  }
  if (value && !scanned.numerator.empty()) {
    const std::optional<mpq_class> top = DecimalValue(scanned.numerator);
    const std::optional<mpq_class> bottom = DecimalValue(scanned.denominator);
    if (!top || !bottom) return std::nullopt;
    *value += *top / *bottom;
  }
  if (value) *value *= static_cast<signed long>(scanned.scale);
  return value;
}

bool DividesByZero(const Scanned& scanned) {
  const auto only_zeros = [](string_view decimal) {
    return decimal.find_first_of("123456789") == string_view::npos;
  };
  if (!scanned.numerator.empty()) return only_zeros(scanned.denominator);
  return absl::StartsWith(scanned.power, "-") && only_zeros(scanned.whole);
}

NumberReading Evaluate(string_view plain, const Scanned& scanned, bool minus) {
  NumberReading reading;
  reading.text =
      absl::StrCat(minus ? "-" : "",
                   plain.substr(scanned.begin, scanned.end - scanned.begin));
  reading.at_end =
      scanned.end == plain.size() && absl::ascii_isdigit(plain.back());
  if (!scanned.valid || DividesByZero(scanned)) {
    reading.kind = Kind::kMalformed;
    return reading;
  }
  std::optional<mpq_class> value = Magnitude(scanned);
  if (!value) {
    reading.kind = Kind::kTooLarge;
    return reading;
  }
  reading.kind = Kind::kNumber;
  reading.number.value = *value;
  if (minus != scanned.negative) reading.number.value = -reading.number.value;
  reading.number.percent = scanned.percent;
  return reading;
}

// What WholeNumber allows before a number: "x =", delimiters, one sign.
size_t EndOfPrefix(string_view plain, bool* minus) {
  const auto skip = [&](size_t i, string_view what) {
    return std::min(plain.find_first_not_of(what, i), plain.size());
  };
  constexpr string_view kAround = " \t\r\n${\x01";
  size_t i = skip(0, kAround);
  size_t name = i;
  while (name < plain.size() && absl::ascii_isalpha(plain[name])) ++name;
  const size_t equals = skip(name, " ");
  if (name > i && name - i <= 2 && equals < plain.size() &&
      plain[equals] == '=') {
    i = skip(equals + 1, kAround);
  }
  if (i < plain.size() && (plain[i] == '-' || plain[i] == '+')) {
    *minus = plain[i] == '-';
    i = skip(i + 1, kAround);
  }
  return i;
}

// The unit that is all of `rest` but delimiters and a full stop.
std::optional<std::string> UnitOf(string_view rest) {
  constexpr string_view kAround = " \t\r\n$}";
  const auto strip = [&](string_view text) {
    const size_t begin = text.find_first_not_of(kAround);
    return begin == string_view::npos ? string_view() : text.substr(begin);
  };
  rest = strip(rest);
  std::string unit;
  const bool text = !rest.empty() && rest[0] == kTextMark;
  if (text) rest.remove_prefix(rest.size() > 1 && rest[1] == '{' ? 2 : 1);
  const size_t begin = rest.size();
  while (!rest.empty() &&
         (absl::ascii_isalpha(rest[0]) || (text && rest[0] == ' ') ||
          (text && rest[0] == '/'))) {
    unit += absl::ascii_tolower(rest[0]);
    rest.remove_prefix(1);
  }
  // One letter by itself is an unknown.
  if (!text && begin - rest.size() == 1) return std::nullopt;
  if (text && !absl::ConsumePrefix(&rest, "}")) return std::nullopt;
  for (const string_view square : {"^{2}", "^2", "^{3}", "^3"}) {
    if (unit.empty() || !absl::ConsumePrefix(&rest, square)) continue;
    absl::StrAppend(&unit, "^", square == "^2" || square == "^{2}" ? 2 : 3);
  }
  rest = strip(rest);
  absl::ConsumePrefix(&rest, ".");
  if (!strip(rest).empty()) return std::nullopt;
  return std::string(absl::StripAsciiWhitespace(unit));
}

NumberReading WholeOfPlain(string_view plain) {
  bool minus = false;
  const size_t begin = EndOfPrefix(plain, &minus);
  const std::optional<Scanned> scanned = NumberScanner(plain).ScanAt(begin);
  if (!scanned) return {.kind = Kind::kMalformed, .text = std::string(plain)};
  NumberReading reading = Evaluate(plain, *scanned, minus);
  const std::optional<std::string> unit = UnitOf(plain.substr(scanned->end));
  if (!unit) return {.kind = Kind::kMalformed, .text = std::string(plain)};
  reading.number.unit = *unit;
  return reading;
}

// The last of the text's numbers, and how many there are.
NumberReading LastOfPlain(string_view plain, int* count) {
  const NumberScanner scanner(plain);
  std::optional<Scanned> last;
  *count = 0;
  for (size_t at = 0;;) {
    const std::optional<Scanned> next = scanner.Next(&at);
    if (!next) break;
    last = next;
    ++*count;
  }
  if (!last) return {};
  return Evaluate(plain, *last, scanner.MinusBefore(last->begin));
}

mpq_class ExactDecimal(double value) {
  std::array<char, 64> text;
  const auto end = std::to_chars(text.data(), text.data() + text.size(), value,
                                 std::chars_format::scientific);
  const string_view decimal(text.data(),
                            static_cast<size_t>(end.ptr - text.data()));
  return WholeOfPlain(decimal).number.value;
}

}  // namespace

NumberReading LastNumber(string_view text) {
  int count = 0;
  return LastOfPlain(PlainMath(text), &count);
}

NumberReading WholeNumber(string_view text) {
  return WholeOfPlain(PlainMath(text));
}

NumberReading OnlyNumber(string_view text) {
  const std::string plain = PlainMath(text);
  NumberReading whole = WholeOfPlain(plain);
  if (whole.kind != Kind::kMalformed) return whole;
  int count = 0;
  NumberReading only = LastOfPlain(plain, &count);
  if (count <= 1) return only;
  return {.kind = Kind::kMalformed, .text = plain};
}

Tolerance ToleranceOf(double absolute, double relative) {
  return {.absolute = ExactDecimal(absolute),
          .relative = ExactDecimal(relative)};
}

bool SameNumber(const Number& answer, const Number& reference,
                const Tolerance& tolerance) {
  if (!answer.unit.empty() && !reference.unit.empty() &&
      answer.unit != reference.unit) {
    return false;
  }
  const auto near = [&](const mpq_class& a, const mpq_class& r) {
    const mpq_class distance = abs(a - r);
    return distance <= tolerance.absolute ||
           distance <= mpq_class(tolerance.relative * abs(r));
  };
  if (near(answer.value, reference.value)) return true;
  if (answer.percent == reference.percent) return false;
  return answer.percent ? near(answer.value / 100, reference.value)
                        : near(answer.value, reference.value / 100);
}

}  // namespace aha::rewards
