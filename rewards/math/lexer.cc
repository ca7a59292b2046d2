#include "rewards/math/lexer.h"

#include <algorithm>
#include <cstdint>
#include <iterator>
#include <optional>
#include <utility>

#include "absl/strings/ascii.h"
#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/strip.h"
#include "rewards/plain_math.h"

namespace aha::rewards::math {
namespace {

using absl::string_view;
using TokenKind = Token::Kind;

struct Name {
  string_view from;
  string_view to;
};

template <size_t n>
std::optional<string_view> Find(const Name (&table)[n], string_view name) {
  const Name* const found =
      std::lower_bound(std::begin(table), std::end(table), name,
                       [](const Name& a, string_view b) { return a.from < b; });
  if (found == std::end(table) || found->from != name) return std::nullopt;
  return found->to;
}

// Commands that are signs, sorted.
constexpr Name kSigns[] = {
    {"Vert", "|"},
    {"approx", "rel~"},
    {"ast", "*"},
    {"backslash", "setminus"},
    {"cap", "cap"},
    {"cdot", "*"},
    {"circ", "deg"},
    {"colon", ":"},
    {"cong", "rel~"},
    {"cup", "cup"},
    {"degree", "deg"},
    {"div", "/"},
    {"equiv", "relc"},
    {"euro", "$"},
    {"ge", "relg"},
    {"geq", "relg"},
    {"geqslant", "relg"},
    {"gt", "rel>"},
    {"in", "rele"},
    {"land", "sep"},
    {"langle", "\\<"},
    {"lceil", "lceil"},
    {"le", "rell"},
    {"leq", "rell"},
    {"leqslant", "rell"},
    {"lfloor", "lfloor"},
    {"lor", "sep"},
    {"lt", "rel<"},
    {"lvert", "|"},
    {"mid", "|"},
    {"mp", "mp"},
    {"ne", "rel#"},
    {"neq", "rel#"},
    {"pm", "pm"},
    {"pounds", "$"},
    {"prime", "'"},
    {"rangle", "\\>"},
    {"rceil", "rceil"},
    {"rfloor", "rfloor"},
    {"rvert", "|"},
    {"setminus", "setminus"},
    {"sim", "rel~"},
    {"simeq", "rel~"},
    {"slash", "/"},
    {"times", "*"},
    {"vee", "sep"},
    {"vert", "|"},
    {"wedge", "sep"},
};

// Commands and bare words that are functions, and their names in evaluate.h.
constexpr Name kFunctions[] = {
    {"Abs", "abs"},     {"abs", "abs"},      {"acos", "acos"},
    {"arccos", "acos"}, {"arccot", "acot"},  {"arcsin", "asin"},
    {"arctan", "atan"}, {"asin", "asin"},    {"atan", "atan"},
    {"binom", "binom"}, {"cfrac", "frac"},   {"cos", "cos"},
    {"cosh", "cosh"},   {"cot", "cot"},      {"coth", "coth"},
    {"csc", "csc"},     {"dbinom", "binom"}, {"dfrac", "frac"},
    {"exp", "exp"},     {"frac", "frac"},    {"lg", "lg"},
    {"ln", "ln"},       {"log", "log"},      {"sec", "sec"},
    {"sin", "sin"},     {"sinh", "sinh"},    {"sqrt", "sqrt"},
    {"tan", "tan"},     {"tanh", "tanh"},    {"tbinom", "binom"},
    {"tfrac", "frac"},
};

// Commands that say nothing.
constexpr string_view kSilent[] = {
    "Big",    "Bigg",     "Biggl",        "Biggr",     "Bigl", "Bigr",
    "big",    "bigg",     "biggl",        "biggr",     "bigl", "bigr",
    "bm",     "boxed",    "displaystyle", "fbox",      "left", "limits",
    "middle", "nolimits", "right",        "textstyle",
};
constexpr string_view kSpaces[] = {"enspace", "qquad", "quad", "space",
                                   "thinspace"};
// Commands whose argument is words.
constexpr string_view kTexts[] = {"hbox",   "mbox",   "text",
                                  "textbf", "textit", "textnormal",
                                  "textrm", "textsf", "texttt"};
// Commands whose argument is written in another face, and means the same.
constexpr string_view kFaces[] = {"boldsymbol", "mathbf", "mathit",
                                  "mathnormal", "mathrm", "mathsf",
                                  "mathtt",     "rm",     "operatorname"};
// Commands that make another symbol of their argument.
constexpr string_view kMarks[] = {
    "bar",      "ddot",           "dot",      "hat",
    "mathbb",   "mathcal",        "mathscr",  "overleftrightarrow",
    "overline", "overrightarrow", "tilde",    "underline",
    "vec",      "widehat",        "widetilde"};
// Commands that no answer is compared by.
constexpr string_view kBadCommands[] = {
    "Leftrightarrow", "Rightarrow", "cdots", "dots",    "dotsb", "dotsc",
    "dotsm",          "iff",        "ldots", "implies", "vdots"};

constexpr string_view kUnits[] = {"cc", "cm", "dm",  "ft",  "gal", "hr", "hrs",
                                  "in", "kg", "km",  "kmh", "kph", "lb", "lbs",
                                  "mg", "mi", "min", "mL",  "ml",  "mm", "mph",
                                  "ms", "nm", "oz",  "sec", "sq",  "yd", "yds"};

template <size_t n>
bool Contains(const string_view (&table)[n], string_view name) {
  return std::find(std::begin(table), std::end(table), name) != std::end(table);
}

// A bare word or the content of \text{} that is a sign.
string_view SignOfWord(string_view word) {
  for (const string_view separator : {"and", "or"}) {
    if (absl::EqualsIgnoreCase(word, separator)) return "sep";
  }
  for (const string_view percent : {"percent", "percentage", "pct", "%"}) {
    if (absl::EqualsIgnoreCase(word, percent)) return "%";
  }
  for (const string_view degree : {"degree", "degrees", "deg"}) {
    if (absl::EqualsIgnoreCase(word, degree)) return "deg";
  }
  return {};
}

// Makes the tokens of one text.
class Lexer {
 public:
  // `ascii` has no byte above 127 that PlainMath knows a spelling for.
  explicit Lexer(string_view ascii) : s_(ascii), match_(MatchBraces(ascii)) {
    // An even number of dollar signs are delimiters; else one is a currency.
    size_t dollars = 0;
    for (size_t i = 0; i < s_.size(); ++i) {
      if (s_[i] == '\\') {
        ++i;
      } else if (s_[i] == '$') {
        ++dollars;
      }
    }
    dollar_is_currency_ = dollars % 2 == 1;
  }

  std::vector<Token> Run() {
    while (i_ < s_.size()) Next();
    Add(TokenKind::kStop, "");
    return std::move(tokens_);
  }

 private:
  char At(size_t i) const { return i < s_.size() ? s_[i] : '\0'; }
  bool DigitAt(size_t i) const { return absl::ascii_isdigit(At(i)); }
  size_t EndOfDigits(size_t i) const {
    while (DigitAt(i)) ++i;
    return i;
  }
  size_t EndOfLetters(size_t i) const {
    while (absl::ascii_isalpha(At(i))) ++i;
    return i;
  }
  size_t SkipSpaces(size_t i) const {
    while (absl::ascii_isspace(At(i))) ++i;
    return i;
  }
  bool Has(size_t i, string_view what) const {
    return absl::StartsWith(s_.substr(std::min(i, s_.size())), what);
  }

  void Add(TokenKind kind, string_view text) {
    Token& token = tokens_.emplace_back();
    token.kind = kind;
    token.text = std::string(text);
    token.space = std::exchange(space_, false);
  }
  void Sign(string_view text) { Add(TokenKind::kSign, text); }
  bool LastIs(TokenKind kind) const {
    return !tokens_.empty() && tokens_.back().kind == kind;
  }

  // Whether a unit may follow.
  bool Measures() const {
    return LastIs(TokenKind::kNumber) ||
           (LastIs(TokenKind::kSign) &&
            (tokens_.back().text == "}" || tokens_.back().text == ")"));
  }

  void Next();
  void Other(char c);
  void Backslash();
  void Command(string_view name);
  void Environment(bool begins);
  void Words(string_view content);
  void Argument(string_view command, TokenKind kind);
  void Face();
  void Letters();
  void Number();
  size_t GroupSeparator(size_t i) const;
  void Repeating(Token* number);
  void Exponent(Token* number);

  const string_view s_;
  const std::vector<uint32_t> match_;
  std::vector<Token> tokens_;
  size_t i_ = 0;
  bool space_ = false;
  bool dollar_is_currency_ = false;
  int brackets_ = 0;      // Open ones.
  int environments_ = 0;  // Open ones.
};

void Lexer::Next() {
  const char c = At(i_);
  if (absl::ascii_isspace(c) || c == '~') {
    space_ = true;
    ++i_;
  } else if (absl::ascii_isdigit(c) || (c == '.' && DigitAt(i_ + 1))) {
    Number();
  } else if (absl::ascii_isalpha(c)) {
    Letters();
  } else if (c == '\\') {
    Backslash();
  } else if (c == kTextMark && Has(i_ + 1, "{degree}")) {
    i_ += 1 + string_view("{degree}").size();
    Sign("deg");
  } else {
    Other(c);
  }
}

// Everything but letters, digits and commands.
void Lexer::Other(char c) {
  ++i_;
  if (absl::StrContains("!=<>", c) && (c != '!' || At(i_) == '=')) {
    const bool equal = At(i_) == '=';
    i_ += equal;
    return Sign(c == '='   ? "rel="
                : c == '!' ? "rel#"
                : c == '<' ? (equal ? "rell" : "rel<")
                           : (equal ? "relg" : "rel>"));
  }
  if (absl::StrContains("+-*/_!'%&,;:|()[]{}", c)) {
    brackets_ += c == '(' || c == '[';
    brackets_ -= (c == ')' || c == ']') && brackets_ > 0;
    if (c == '*' && At(i_) == '*') {  // Markdown, or Python's power.
      ++i_;
      return Sign(DigitAt(i_) ? "^" : "*");
    }
    return Sign(s_.substr(i_ - 1, 1));
  }
  if (c == '^') {
    if (Has(i_, "{\\circ}")) {
      i_ += string_view("{\\circ}").size();
      return Sign("deg");
    }
    if (Has(i_, "\\circ") && !absl::ascii_isalpha(At(i_ + 5))) {
      i_ += string_view("\\circ").size();
      return Sign("deg");
    }
    return Sign("^");
  }
  if (c == '$') {
    if (dollar_is_currency_) Sign("$");
    return;
  }
  if (c == '.') {  // The end of a sentence, or of \left.
    if (At(i_) == '.') Add(TokenKind::kBad, "..");
    return;
  }
  if (static_cast<unsigned char>(c) < 0x80) return Add(TokenKind::kBad, "?");
  // An unknown character becomes a symbol.
  const size_t begin = i_ - 1;
  while (i_ < s_.size() && static_cast<unsigned char>(s_[i_]) >= 0x80) ++i_;
  Add(TokenKind::kText, s_.substr(begin, i_ - begin));
}

void Lexer::Backslash() {
  const char next = At(i_ + 1);
  if (absl::ascii_isalpha(next)) {
    const size_t end = EndOfLetters(i_ + 1);
    const string_view name = s_.substr(i_ + 1, end - i_ - 1);
    i_ = end;
    return Command(name);
  }
  i_ = std::min(i_ + 2, s_.size());
  if (next == '\\') {
    // "\\frac": the backslash was escaped once too often.
    if (environments_ == 0 && absl::ascii_isalpha(At(i_))) {
      --i_;
      return;
    }
    return Sign("\\\\");
  }
  if (next == '{' || next == '}') {
    brackets_ += next == '{' ? 1 : (brackets_ > 0 ? -1 : 0);
    return Sign(next == '{' ? "\\{" : "\\}");
  }
  if (next == '$' || next == '%') return Sign(string_view(&next, 1));
  if (next == '|') return Sign("|");
  if (absl::StrContains(",:; \n", next)) {
    space_ = true;
  } else if (!absl::StrContains("!()[]", next)) {
    Add(TokenKind::kBad, "\\");
  }
}

void Lexer::Command(string_view name) {
  if (Contains(kSilent, name)) return;
  if (Contains(kSpaces, name)) {
    space_ = true;
    return;
  }
  if (const auto sign = Find(kSigns, name)) {
    brackets_ += name == "langle";
    brackets_ -= name == "rangle" && brackets_ > 0;
    return Sign(*sign);
  }
  if (const auto function = Find(kFunctions, name)) {
    return Add(TokenKind::kFunction, *function);
  }
  if (name == "begin" || name == "end") return Environment(name == "begin");
  if (Contains(kTexts, name)) return Argument("", TokenKind::kText);
  if (Contains(kFaces, name)) return Face();
  if (Contains(kMarks, name)) return Argument(name, TokenKind::kLetter);
  if (name == "emptyset" || name == "varnothing") {
    Sign("\\{");
    return Sign("\\}");
  }
  if (Contains(kBadCommands, name)) return Add(TokenKind::kBad, name);
  if (absl::StartsWith(name, "quad")) {  // "\quadx"
    i_ -= name.size() - string_view("quad").size();
    space_ = true;
    return;
  }
  Add(TokenKind::kLetter, absl::StrCat("\\", name));
}

void Lexer::Environment(bool begins) {
  i_ = SkipSpaces(i_);
  const size_t close = At(i_) == '{' ? match_[i_] : 0;
  if (close == 0) return Add(TokenKind::kBad, "environment");
  const string_view name = s_.substr(i_ + 1, close - i_ - 1);
  i_ = close + 1;
  environments_ += begins ? 1 : (environments_ > 0 ? -1 : 0);
  Add(begins ? TokenKind::kBegin : TokenKind::kEnd, name);
  if (begins && name == "array" && At(i_) == '{' && match_[i_] > 0) {
    i_ = match_[i_] + 1;  // The columns' alignment.
  }
}

// The words of \text{..}, or a bare one.
void Lexer::Words(string_view content) {
  content = absl::StripAsciiWhitespace(content);
  const string_view word =
      absl::StripSuffix(absl::StripPrefix(content, ","), ",");
  const string_view sign = SignOfWord(absl::StripAsciiWhitespace(word));
  if (!sign.empty()) return Sign(sign);
  if (content == ",") return Sign(",");
  if (content.empty()) return;
  // "(A)" is a choice, and so is "A" unless it measures something.
  string_view choice = content;
  const bool brackets =
      absl::ConsumePrefix(&choice, "(") && absl::ConsumeSuffix(&choice, ")");
  if (choice.size() == 1 && absl::ascii_isalpha(choice[0]) &&
      (brackets || !Measures())) {
    return Add(TokenKind::kLetter, choice);
  }
  Add(TokenKind::kText, content);
}

// What stands in braces behind a command, or the next character.
void Lexer::Argument(string_view command, TokenKind kind) {
  i_ = SkipSpaces(i_);
  if (i_ >= s_.size()) return;
  size_t begin = i_;
  size_t end = i_ + 1;
  i_ = end;
  if (s_[begin] == '{') {
    if (match_[begin] == 0) return Add(TokenKind::kBad, "{");
    end = match_[begin++];
    i_ = end + 1;
  }
  const string_view content = s_.substr(begin, end - begin);
  if (kind == TokenKind::kText) return Words(content);
  std::string name = absl::StrCat("\\", command, "{");
  for (const char c : content) {
    if (!absl::ascii_isspace(c)) name += c;
  }
  Add(kind, name + "}");
}

// \mathrm{cm} are words, \mathrm{e} is a letter, \operatorname{sin} a function.
void Lexer::Face() {
  i_ = SkipSpaces(i_);
  if (At(i_) != '{' || match_[i_] == 0) return;
  const size_t end = match_[i_];
  const string_view content =
      absl::StripAsciiWhitespace(s_.substr(i_ + 1, end - i_ - 1));
  const bool letters =
      std::all_of(content.begin(), content.end(),
                  [](unsigned char c) { return absl::ascii_isalpha(c); });
  if (!letters || content.size() < 2) return;  // Its braces stay.
  i_ = end + 1;
  if (const auto function = Find(kFunctions, content)) {
    return Add(TokenKind::kFunction, *function);
  }
  Words(content);
}

void Lexer::Letters() {
  const size_t begin = i_;
  i_ = EndOfLetters(i_);
  const string_view word = s_.substr(begin, i_ - begin);
  const string_view sign = SignOfWord(word);
  if (!sign.empty()) return Sign(sign);
  if (const auto function = Find(kFunctions, word)) {
    return Add(TokenKind::kFunction, *function);
  }
  if (word == "pi" || word == "infty" || word == "theta") {
    return Add(TokenKind::kLetter, absl::StrCat("\\", word));
  }
  if (word == "inf" || word == "infinity") {
    return Add(TokenKind::kLetter, "\\infty");
  }
  if ((word == "x" || word == "X") && LastIs(TokenKind::kNumber) &&
      Has(SkipSpaces(i_), "10^")) {
    return Sign("*");
  }
  if (word.size() >= 4 || (Measures() && IsUnitWord(word))) {
    return Add(TokenKind::kText, word);
  }
  // "CAB" names a thing, or an order of things; "ab" is a product.
  const bool name =
      word.size() > 1 && std::all_of(word.begin(), word.end(), [](char c) {
        return absl::ascii_isupper(static_cast<unsigned char>(c));
      });
  if (name) return Add(TokenKind::kLetter, word);
  for (const char& c : word) Add(TokenKind::kLetter, string_view(&c, 1));
}

// The length of what stands between thousands at i, or 0.
size_t Lexer::GroupSeparator(size_t i) const {
  for (const string_view separator : {"{,}", "\\,", ",\\!", "'"}) {
    if (!Has(i, separator)) continue;
    const size_t end = i + separator.size();
    return separator == ",\\!" ? SkipSpaces(end) - i : end - i;
  }
  // In brackets a comma separates.
  if (At(i) == ',') return brackets_ == 0 ? 1 : 0;
  return At(i) == ' ' ? 1 : 0;
}

void Lexer::Number() {
  Token number;
  number.kind = TokenKind::kNumber;
  number.space = std::exchange(space_, false);
  const size_t begin = i_;
  i_ = EndOfDigits(i_);
  number.text = std::string(s_.substr(begin, i_ - begin));
  if (i_ > begin && i_ - begin <= 3 && At(begin) != '0') {
    for (;;) {
      const size_t separator = GroupSeparator(i_);
      const size_t group = i_ + separator;
      if (separator == 0 || EndOfDigits(group) != group + 3) break;
      absl::StrAppend(&number.text, s_.substr(group, 3));
      i_ = group + 3;
    }
  }
  if (At(i_) == '.' && (DigitAt(i_ + 1) || Has(i_ + 1, "\\overline{"))) {
    const size_t end = EndOfDigits(i_ + 1);
    absl::StrAppend(&number.text, s_.substr(i_, end - i_));
    i_ = end;
    Repeating(&number);
    if (At(i_) == '.' && DigitAt(i_ + 1)) number.kind = TokenKind::kBad;
  }
  Exponent(&number);
  tokens_.push_back(std::move(number));
}

// "0.\overline{3}"
void Lexer::Repeating(Token* number) {
  constexpr string_view kOverline = "\\overline{";
  if (!Has(i_, kOverline)) return;
  const size_t begin = i_ + kOverline.size();
  const size_t end = EndOfDigits(begin);
  if (end == begin || At(end) != '}') return;
  number->repeating = std::string(s_.substr(begin, end - begin));
  i_ = end + 1;
}

// "1e5"
void Lexer::Exponent(Token* number) {
  if (At(i_) != 'e' && At(i_) != 'E') return;
  const size_t digits =
      At(i_ + 1) == '-' || At(i_ + 1) == '+' ? i_ + 2 : i_ + 1;
  const size_t end = EndOfDigits(digits);
  if (end == digits || absl::ascii_isalpha(At(end))) return;
  number->exponent = std::string(s_.substr(i_ + 1, end - i_ - 1));
  i_ = end;
}

// With the characters outside ASCII in their LaTeX spelling.
std::string Ascii(string_view text) {
  std::string out;
  for (size_t i = 0; i < text.size();) {
    size_t end = i;
    while (end < text.size() && static_cast<unsigned char>(text[end]) >= 0x80) {
      ++end;
    }
    if (end == i) {
      out += text[i++];
      continue;
    }
    out += PlainMath(text.substr(i, end - i));
    i = end;
  }
  return out;
}

}  // namespace

std::vector<Token> Lex(string_view text) {
  const bool ascii = std::all_of(text.begin(), text.end(), [](char c) {
    return static_cast<unsigned char>(c) < 0x80;
  });
  if (ascii) return Lexer(text).Run();
  const std::string spelled = Ascii(text);
  return Lexer(spelled).Run();
}

bool IsUnitWord(string_view word) { return Contains(kUnits, word); }

string_view StripDelimiters(string_view text) {
  constexpr Name kPairs[] = {
      {"\\[", "\\]"}, {"\\(", "\\)"}, {"$$", "$$"}, {"$", "$"}, {"**", "**"}};
  for (int round = 0; round < 4; ++round) {
    text = absl::StripAsciiWhitespace(text);
    while (absl::ConsumeSuffix(&text, ".")) {
    }
    bool stripped = false;
    for (const Name& pair : kPairs) {
      if (text.size() < pair.from.size() + pair.to.size() ||
          !absl::StartsWith(text, pair.from) ||
          !absl::EndsWith(text, pair.to)) {
        continue;
      }
      const string_view inside = text.substr(
          pair.from.size(), text.size() - pair.from.size() - pair.to.size());
      if (absl::StrContains(inside, pair.from) ||
          absl::EndsWith(inside, "\\")) {
        continue;
      }
      text = inside;
      stripped = true;
      break;
    }
    if (!stripped) break;
  }
  return absl::StripAsciiWhitespace(text);
}

}  // namespace aha::rewards::math
