#include "rewards/math/parser.h"

#include <algorithm>
#include <cstdint>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "absl/strings/ascii.h"
#include "absl/strings/match.h"
#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/strip.h"
#include "rewards/math/lexer.h"

namespace aha::rewards::math {
namespace {

using absl::string_view;
using TokenKind = Token::Kind;

// Levels of brackets, braces and functions in a text.
constexpr int kMaxNesting = 40;

struct Scale {
  string_view word;
  int64_t value;
};
constexpr Scale kScales[] = {
    {"dozen", 12},           {"hundred", 100},
    {"thousand", 1000},      {"million", 1'000'000},
    {"billion", 1000000000}, {"trillion", 1'000'000'000'000},
};

// The words of a unit in one spelling: "Inches " is "inch".
std::string UnitName(string_view words) {
  static constexpr std::pair<string_view, string_view> kSame[] = {
      {"centimeter", "cm"}, {"meter", "m"},    {"kilometer", "km"},
      {"millimeter", "mm"}, {"gram", "g"},     {"kilogram", "kg"},
      {"feet", "ft"},       {"foot", "ft"},    {"inche", "inch"},
      {"in", "inch"},       {"second", "sec"}, {"minute", "min"},
      {"hour", "hr"},       {"pound", "lb"},   {"mile", "mi"},
      {"ounce", "oz"},      {"yard", "yd"},    {"liter", "l"},
      {"buck", "dollar"},   {"usd", "dollar"}, {"metre", "m"},
      {"centimetre", "cm"}, {"litre", "l"},    {"s", "sec"},
      {"h", "hr"},
  };
  std::string name = absl::AsciiStrToLower(absl::StripAsciiWhitespace(words));
  for (const auto& [prefix, power] :
       {std::pair("square ", "^2"), std::pair("sq ", "^2"),
        std::pair("cubic ", "^3")}) {
    if (absl::StartsWith(name, prefix)) {
      const size_t size = string_view(prefix).size();
      return absl::StrCat(UnitName(name.substr(size)), power);
    }
  }
  while (absl::EndsWith(name, ".")) name.pop_back();
  if (name.size() > 2 && absl::EndsWith(name, "s")) name.pop_back();
  for (const auto& [from, to] : kSame) {
    if (name == from) return std::string(to);
  }
  return name;
}

bool IsFactorial(const Expression& x) {
  return x->kind == Kind::kFunction && x->name == "factorial";
}

// A fraction of whole numbers below 1.
std::optional<mpq_class> ProperFraction(const Expression& fraction) {
  if (fraction == nullptr || fraction->kind != Kind::kDivide) {
    return std::nullopt;
  }
  for (const Expression& arg : fraction->args) {
    if (arg->kind != Kind::kNumber || arg->decimal) return std::nullopt;
  }
  const mpq_class& top = fraction->args[0]->number;
  const mpq_class& bottom = fraction->args[1]->number;
  if (top >= bottom) return std::nullopt;
  return top / bottom;
}

Expression NumberOf(const Token& token) {
  std::string digits = token.text;
  const size_t point = digits.find('.');
  const bool decimal = point != std::string::npos;
  size_t places = 0;
  if (decimal) {
    places = digits.size() - point - 1;
    digits.erase(point, 1);
  }
  mpz_class ten_to;
  mpz_ui_pow_ui(ten_to.get_mpz_t(), 10, places);
  mpq_class value(mpz_class(digits.empty() ? "0" : digits, 10), ten_to);
  value.canonicalize();
  if (!token.repeating.empty()) {
    mpz_class nines;
    mpz_ui_pow_ui(nines.get_mpz_t(), 10, token.repeating.size());
    mpq_class tail(mpz_class(token.repeating, 10), (nines - 1) * ten_to);
    tail.canonicalize();
    return MakeNumber(value + tail);
  }
  if (token.exponent.empty()) return MakeNumber(value, decimal);
  int exponent = 0;
  if (!absl::SimpleAtoi(token.exponent, &exponent) ||
      std::abs(exponent) > static_cast<int>(kMaxBits / 4)) {
    return nullptr;
  }
  mpz_class scale;
  mpz_ui_pow_ui(scale.get_mpz_t(), 10,
                static_cast<unsigned long>(std::abs(exponent)));
  return MakeNumber(exponent < 0 ? mpq_class(value / scale)
                                 : mpq_class(value * scale));
}

// A parser by recursive descent.  Each function moves behind what it has read
// and returns null if it cannot read on.
class Parser {
 public:
  Parser(std::vector<Token> tokens, Budget* budget)
      : tokens_(std::move(tokens)), budget_(*budget) {}

  Parsed Run() {
    Expression result = List();
    if (Now().kind != TokenKind::kStop) result = nullptr;
    return {.expression = std::move(result), .too_large = too_large_};
  }

 private:
  const Token& Now() const { return tokens_[at_]; }
  const Token& Ahead(size_t n) const {
    return tokens_[std::min(at_ + n, tokens_.size() - 1)];
  }
  void Move() {
    if (at_ + 1 < tokens_.size()) ++at_;
    if (!budget_.Spend(1)) too_large_ = true;
  }
  bool Is(string_view sign) const {
    return Now().kind == TokenKind::kSign && Now().text == sign;
  }
  bool Take(string_view sign) {
    if (!Is(sign)) return false;
    Move();
    return true;
  }

  Expression List();
  Expression CommaList();
  Expression Relation();
  Expression SetExpression();
  Expression Ratio();
  Expression Sum();
  Expression Term();
  Expression Signed();
  Expression Power();
  Expression WithExponent(Expression base);
  Expression Postfix();
  Expression Primary();
  Expression Letter();
  Expression NumberOrMixed();
  Expression Sign();
  Expression Brackets();
  Expression Between(string_view close, string_view function);
  Expression FunctionCall();
  Expression NamedFunction(const std::string& name);
  Expression FunctionArgument();
  Expression SquareRoot();
  Expression Argument(bool one_digit);
  Expression Matrix();
  Expression Currency();
  Expression Unit(Expression value);
  std::string Script();
  bool StartsFactor() const;

  std::vector<Token> tokens_;
  Budget& budget_;
  size_t at_ = 0;
  int nesting_ = 0;
  int bars_ = 0;  // Open absolute values.
  bool too_large_ = false;
};

// Lists of lists are separated by semicolons.
Expression Parser::List() {
  std::vector<Expression> items;
  do {
    items.push_back(CommaList());
    if (items.back() == nullptr) return nullptr;
  } while (Take(";"));
  return items.size() == 1 ? items[0] : Make(Kind::kList, std::move(items));
}

Expression Parser::CommaList() {
  std::vector<Expression> items;
  for (;;) {
    items.push_back(Relation());
    if (items.back() == nullptr) return nullptr;
    bool separated = false;
    while (Is(",") || Is("sep")) {
      Move();
      separated = true;
    }
    if (!separated) break;
    // "1, 2," ends in a separator.
    if (Now().kind == TokenKind::kStop) break;
  }
  return items.size() == 1 ? items[0] : Make(Kind::kList, std::move(items));
}

Expression Parser::Relation() {
  std::vector<Expression> sides = {SetExpression()};
  std::string signs;
  while (sides.back() != nullptr && Now().kind == TokenKind::kSign &&
         absl::StartsWith(Now().text, "rel")) {
    signs += Now().text[3];
    Move();
    sides.push_back(SetExpression());
  }
  if (sides.back() == nullptr) return nullptr;
  if (signs.empty()) return sides[0];
  return Make(Kind::kRelation, std::move(sides), std::move(signs));
}

Expression Parser::SetExpression() {
  Expression left = Ratio();
  while (left != nullptr && (Is("cup") || Is("cap") || Is("setminus"))) {
    const Kind kind = Is("cup")   ? Kind::kSetUnion
                      : Is("cap") ? Kind::kIntersect
                                  : Kind::kSetMinus;
    Move();
    Expression right = Ratio();
    if (right == nullptr) return nullptr;
    if (left->kind == kind && kind == Kind::kSetUnion) {
      std::vector<Expression> args = left->args;
      args.push_back(std::move(right));
      if (!budget_.Spend(static_cast<int64_t>(args.size()))) return nullptr;
      left = Make(kind, std::move(args));
    } else {
      left = Make(kind, {std::move(left), std::move(right)});
    }
  }
  return left;
}

Expression Parser::Ratio() {
  std::vector<Expression> parts = {Sum()};
  while (parts.back() != nullptr && Take(":")) parts.push_back(Sum());
  if (parts.back() == nullptr) return nullptr;
  return parts.size() == 1 ? parts[0] : Make(Kind::kRatio, std::move(parts));
}

Expression Parser::Sum() {
  std::vector<Expression> terms;
  for (bool first = true;; first = false) {
    bool negative = false;
    char both = '\0';  // '+' for \pm, '-' for \mp.
    bool any = false;
    while (Is("+") || Is("-") || Is("pm") || Is("mp")) {
      any = true;
      if (Is("-")) negative = !negative;
      if (Is("pm") || Is("mp")) both = Is("pm") ? '+' : '-';
      Move();
    }
    if (!first && !any) break;
    Expression term = Term();
    if (term == nullptr) return nullptr;
    // "-5 cm" is minus 5, measured in cm; "-5%" and "-5^\circ" likewise.
    const bool unit = term->kind == Kind::kUnit ||
                      term->kind == Kind::kPercent ||
                      term->kind == Kind::kDegree;
    Expression value = unit ? term->args[0] : term;
    if (negative) value = Make(Kind::kNegate, {value});
    if (both != '\0') {
      value = Make(Kind::kPlusMinus, {value}, std::string(1, both));
    }
    terms.push_back(unit ? Make(term->kind, {value}, term->name) : value);
  }
  return terms.size() == 1 ? terms[0] : Make(Kind::kAdd, std::move(terms));
}

bool Parser::StartsFactor() const {
  switch (Now().kind) {
    case TokenKind::kLetter:
    case TokenKind::kFunction:
    case TokenKind::kBegin:
      return true;
    case TokenKind::kSign:
      if (Now().text == "|") return bars_ == 0;
      return Now().text == "(" || Now().text == "[" || Now().text == "{" ||
             Now().text == "lfloor" || Now().text == "lceil";
    default:
      return false;
  }
}

Expression Parser::Term() {
  // What is divided by the last '/' is all that stands before it.
  std::vector<Expression> factors = {Power()};
  while (factors.back() != nullptr) {
    if (Take("*")) {
      factors.push_back(Signed());
    } else if (Take("/")) {
      Expression top = factors.size() == 1
                           ? factors[0]
                           : Make(Kind::kMultiply, std::move(factors));
      factors = {Make(Kind::kDivide, {std::move(top), Signed()})};
    } else if (Now().kind == TokenKind::kText) {
      Expression value = factors.size() == 1
                             ? factors[0]
                             : Make(Kind::kMultiply, std::move(factors));
      return Unit(std::move(value));
    } else if (StartsFactor() || (Now().kind == TokenKind::kNumber &&
                                  IsFactorial(factors.back()))) {
      factors.push_back(Power());
    } else {
      break;
    }
  }
  if (factors.back() == nullptr) return nullptr;
  return factors.size() == 1 ? factors[0]
                             : Make(Kind::kMultiply, std::move(factors));
}

// "cm^2", "km/h", "million dollars".
Expression Parser::Unit(Expression value) {
  std::string name;
  while (Now().kind == TokenKind::kText) {
    const std::string words = UnitName(Now().text);
    Move();
    const auto* const scale =
        std::find_if(std::begin(kScales), std::end(kScales),
                     [&](const Scale& s) { return s.word == words; });
    if (name.empty() && scale != std::end(kScales)) {
      value =
          Make(Kind::kMultiply, {value, MakeNumber(mpq_class(scale->value))});
      continue;
    }
    absl::StrAppend(&name, name.empty() ? "" : " ", words);
    if (Take("^")) absl::StrAppend(&name, "^", Script());
    if (Is("/") && Ahead(1).kind == TokenKind::kText) {
      Move();
      absl::StrAppend(&name, "/", UnitName(Now().text));
      Move();
    } else if (Is("/") && Ahead(1).kind == TokenKind::kLetter) {
      Move();
      absl::StrAppend(&name, "/", UnitName(Now().text));
      Move();
    }
  }
  if (StartsFactor() || Now().kind == TokenKind::kNumber) return nullptr;
  return name.empty() ? value : Make(Kind::kUnit, {std::move(value)}, name);
}

Expression Parser::Signed() {
  bool negative = false;
  while (Is("-") || Is("+")) {
    negative = negative != Is("-");
    Move();
  }
  Expression value = Power();
  return negative ? Make(Kind::kNegate, {std::move(value)}) : value;
}

Expression Parser::Power() { return WithExponent(Postfix()); }

Expression Parser::WithExponent(Expression base) {
  while (base != nullptr && Take("^")) {
    bool negative = false;
    while (Is("-") || Is("+")) {
      negative = negative != Is("-");
      Move();
    }
    Expression exponent = Argument(false);
    if (negative) exponent = Make(Kind::kNegate, {std::move(exponent)});
    if (Is("^")) exponent = WithExponent(std::move(exponent));
    base = Make(Kind::kPower, {std::move(base), std::move(exponent)});
  }
  return base;
}

Expression Parser::Postfix() {
  Expression value = Primary();
  while (value != nullptr) {
    if (Take("!")) {
      value = Make(Kind::kFunction, {std::move(value)}, "factorial");
    } else if (Take("%")) {
      value = Make(Kind::kPercent, {std::move(value)});
    } else if (Take("deg")) {
      value = Make(Kind::kDegree, {std::move(value)});
    } else {
      break;
    }
  }
  return value;
}

Expression Parser::Primary() {
  if (nesting_ >= kMaxNesting) too_large_ = true;
  if (too_large_) return nullptr;
  ++nesting_;
  Expression value;
  switch (Now().kind) {
    case TokenKind::kNumber:
      value = NumberOrMixed();
      break;
    case TokenKind::kLetter:
      value = Letter();
      break;
    case TokenKind::kText:
      value = MakeName(Kind::kText, absl::AsciiStrToLower(Now().text));
      Move();
      while (value != nullptr && Now().kind == TokenKind::kText) {
        value = MakeName(
            Kind::kText,
            absl::StrCat(value->name, " ", absl::AsciiStrToLower(Now().text)));
        Move();
      }
      break;
    case TokenKind::kFunction:
      value = FunctionCall();
      break;
    case TokenKind::kBegin:
      value = Matrix();
      break;
    case TokenKind::kSign:
      value = Sign();
      break;
    case TokenKind::kEnd:
    case TokenKind::kBad:
    case TokenKind::kStop:
      break;
  }
  --nesting_;
  return value;
}

Expression Parser::Letter() {
  std::string name = Now().text;
  Move();
  Kind kind = Kind::kSymbol;
  if (name == "e" || name == "i" || name == "\\pi" || name == "\\infty") {
    kind = Kind::kConstant;
  }
  for (;;) {
    if (Take("'")) {
      name += '\'';
    } else if (Take("_")) {
      absl::StrAppend(&name, "_{", Script(), "}");
    } else {
      return MakeName(kind, std::move(name));
    }
    kind = Kind::kSymbol;
  }
}

// What an index or the exponent of a unit says, as text.
std::string Parser::Script() {
  std::string text;
  if (!Take("{")) {
    text = Now().text;
    if (Now().kind != TokenKind::kStop) Move();
    return text;
  }
  for (int open = 1; Now().kind != TokenKind::kStop;) {
    open += Is("{");
    open -= Is("}");
    if (open > 0) absl::StrAppend(&text, text.empty() ? "" : " ", Now().text);
    Move();
    if (open == 0) break;
  }
  return text;
}

Expression Parser::NumberOrMixed() {
  const Token token = Now();
  Expression number = NumberOf(token);
  Move();
  if (number == nullptr) {
    too_large_ = true;
    return nullptr;
  }
  if (Take("_")) {
    return MakeName(Kind::kBase, absl::StrCat(token.text, "_", Script()));
  }
  if (number->decimal) return number;
  if (Now().kind == TokenKind::kFunction && Now().text == "frac") {
    Expression fraction = FunctionCall();
    if (const auto proper = ProperFraction(fraction)) {
      return MakeNumber(number->number + *proper);
    }
    return Make(Kind::kMultiply,
                {std::move(number), WithExponent(std::move(fraction))});
  }
  if (Now().kind == TokenKind::kNumber && Now().space &&
      Ahead(1).kind == TokenKind::kSign && Ahead(1).text == "/" &&
      Ahead(2).kind == TokenKind::kNumber) {
    const auto proper = ProperFraction(
        Make(Kind::kDivide, {NumberOf(Now()), NumberOf(Ahead(2))}));
    if (!proper) return nullptr;
    for (int i = 0; i < 3; ++i) Move();
    return MakeNumber(number->number + *proper);
  }
  return number;
}

Expression Parser::Sign() {
  const std::string sign = Now().text;
  if (sign == "(" || sign == "[" || sign == "\\{" || sign == "\\<") {
    return Brackets();
  }
  if (sign == "{") {
    Move();
    Expression inside = List();
    return Take("}") ? inside : nullptr;
  }
  if (sign == "|") {
    Move();
    ++bars_;
    Expression inside = Sum();
    --bars_;
    return Take("|") ? Make(Kind::kFunction, {std::move(inside)}, "abs")
                     : nullptr;
  }
  if (sign == "lfloor") return Between("rfloor", "floor");
  if (sign == "lceil") return Between("rceil", "ceil");
  if (sign == "$") return Currency();
  return nullptr;
}

Expression Parser::Between(string_view close, string_view function) {
  Move();
  Expression inside = Sum();
  return Take(close)
             ? Make(Kind::kFunction, {std::move(inside)}, std::string(function))
             : nullptr;
}

Expression Parser::Currency() {
  Move();
  Expression value = Signed();
  for (const Scale& scale : kScales) {
    if (Now().kind != TokenKind::kText || UnitName(Now().text) != scale.word) {
      continue;
    }
    value = Make(Kind::kMultiply,
                 {std::move(value), MakeNumber(mpq_class(scale.value))});
    Move();
  }
  return Make(Kind::kUnit, {std::move(value)}, "dollar");
}

// A tuple, an interval, a set, or one expression in brackets.
Expression Parser::Brackets() {
  const std::string open = Now().text;
  Move();
  // An absolute value that is open outside is not closed inside.
  const int bars = std::exchange(bars_, 0);
  std::vector<Expression> items;
  if (!(open == "\\{" && Is("\\}"))) {
    Expression inside = List();
    if (inside == nullptr) return nullptr;
    items = inside->kind == Kind::kList ? inside->args
                                        : std::vector<Expression>{inside};
  }
  bars_ = bars;
  if (open == "\\{") {
    return Take("\\}") ? Make(Kind::kSet, std::move(items)) : nullptr;
  }
  if (open == "\\<") {
    return Take("\\>") ? Make(Kind::kTuple, std::move(items), "()") : nullptr;
  }
  if (!Is(")") && !Is("]")) return nullptr;
  const std::string brackets = open + Now().text;
  Move();
  if (items.size() == 1) {
    return brackets == "()" || brackets == "[]" ? items[0] : nullptr;
  }
  return Make(Kind::kTuple, std::move(items), brackets);
}

// The operand of ^, \frac or \sqrt: what stands in braces, or one token.  Of a
// number only the first digit if `one_digit`.
Expression Parser::Argument(bool one_digit) {
  if (Now().kind == TokenKind::kNumber) {
    Token& token = tokens_[at_];
    if (one_digit && token.text.size() > 1) {
      Token digit = token;
      digit.text = token.text.substr(0, 1);
      token.text.erase(0, 1);
      return NumberOf(digit);
    }
    Expression number = NumberOf(token);
    Move();
    return number;
  }
  if (Is("*")) return nullptr;
  return Primary();
}

Expression Parser::FunctionCall() {
  const std::string name = Now().text;
  Move();
  if (name == "frac" || name == "binom") {
    Expression top = Argument(true);
    if (top == nullptr) return nullptr;
    Expression bottom = Argument(true);
    std::vector<Expression> args = {std::move(top), std::move(bottom)};
    return name == "frac" ? Make(Kind::kDivide, std::move(args))
                          : Make(Kind::kFunction, std::move(args), name);
  }
  if (name == "sqrt") return SquareRoot();
  return NamedFunction(name);
}

Expression Parser::SquareRoot() {
  if (!Take("[")) {
    return Make(Kind::kFunction, {Argument(false)}, "sqrt");
  }
  Expression degree = Sum();
  if (!Take("]")) return nullptr;
  Expression inside = Argument(false);
  return Make(Kind::kFunction, {std::move(inside), std::move(degree)}, "root");
}

// "\sin^2 x", "\log_2 8", "\sin^{-1} x".
Expression Parser::NamedFunction(const std::string& name) {
  Expression base;
  Expression exponent;
  for (;;) {
    if (base == nullptr && Take("_")) {
      base = Argument(false);
      if (base == nullptr) return nullptr;
    } else if (exponent == nullptr && Take("^")) {
      exponent = Is("-") ? Signed() : Argument(false);
      if (exponent == nullptr) return nullptr;
    } else {
      break;
    }
  }
  std::vector<Expression> args = {FunctionArgument()};
  if (args[0] == nullptr) return nullptr;
  if (base != nullptr) args.push_back(std::move(base));
  if (exponent == nullptr) {
    return Make(Kind::kFunction, std::move(args), name);
  }
  const bool inverse = exponent->kind == Kind::kNegate &&
                       exponent->args[0]->kind == Kind::kNumber &&
                       exponent->args[0]->number == 1;
  if (inverse) {
    return Make(Kind::kFunction, std::move(args), absl::StrCat("a", name));
  }
  return Make(Kind::kPower, {Make(Kind::kFunction, std::move(args), name),
                             std::move(exponent)});
}

Expression Parser::FunctionArgument() {
  if (Is("(") || Is("[") || Is("{")) return Primary();
  std::vector<Expression> factors;
  for (;;) {
    const bool function = Now().kind == TokenKind::kFunction &&
                          Now().text != "frac" && Now().text != "sqrt" &&
                          Now().text != "binom";
    const bool number = Now().kind == TokenKind::kNumber && factors.empty();
    if (!number && (!StartsFactor() || Is("(") || Is("[") ||
                    (function && !factors.empty()))) {
      break;
    }
    factors.push_back(Power());
    if (factors.back() == nullptr) return nullptr;
    if (function) break;
  }
  if (factors.empty()) return nullptr;
  return factors.size() == 1 ? factors[0]
                             : Make(Kind::kMultiply, std::move(factors));
}

Expression Parser::Matrix() {
  const std::string name = Now().text;
  Move();
  if (!absl::EndsWith(name, "matrix") && name != "array") return nullptr;
  std::vector<Expression> rows;
  std::vector<Expression> row;
  for (;;) {
    row.push_back(Relation());
    if (row.back() == nullptr) return nullptr;
    if (Take("&")) continue;
    rows.push_back(Make(Kind::kList, std::exchange(row, {})));
    if (Take("\\\\") && Now().kind != TokenKind::kEnd) continue;
    break;
  }
  if (Now().kind != TokenKind::kEnd || Now().text != name) return nullptr;
  Move();
  const bool ragged =
      std::any_of(rows.begin(), rows.end(), [&](const Expression& r) {
        return r->args.size() != rows[0]->args.size();
      });
  if (ragged) return nullptr;
  return Make(Kind::kMatrix, std::move(rows),
              absl::StartsWith(absl::AsciiStrToLower(name), "v") ? "|" : "");
}

}  // namespace

Parsed Parse(string_view text, Budget* budget) {
  text = StripDelimiters(text);
  if (text.size() > kMaxAnswerBytes) return {.too_large = true};
  if (text.empty()) return {};
  // Cutting a byte into tokens costs far less than a step.
  if (!budget->Spend(static_cast<int64_t>(text.size() / 32))) {
    return {.too_large = true};
  }
  return Parser(Lex(text), budget).Run();
}

}  // namespace aha::rewards::math
