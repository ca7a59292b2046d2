// Cuts mathematical text (LaTeX, or as people type it) into tokens.
//
// Pure functions, in time linear in the text, whatever the text.
#pragma once

#include <string>
#include <vector>

#include "absl/strings/string_view.h"

namespace aha::rewards::math {

struct Token {
  enum class Kind {
    kNumber,    // `text`: digits and a point, without separators.
    kLetter,    // `text`: the name of a symbol, "x" or "\alpha".
    kText,      // `text`: words, of \text{..} or bare.
    kFunction,  // `text`: "sin", "log", "frac", "sqrt", ...
    kSign,      // `text`: an operator, a bracket or a separator; see below.
    kBegin,     // `text`: the environment that begins.
    kEnd,       // `text`: the environment that ends.
    kBad,       // What no rule reads, such as "1.2.3" and "\ldots".
    kStop,      // Behind the last token.
  };
  Kind kind = Kind::kStop;
  std::string text = {};
  // For kNumber: the digits that repeat for ever, and the power of ten that
  // "1e5" has.
  std::string repeating = {};
  std::string exponent = {};
  bool space = false;  // White space stands before it.
};

// The signs:  + - * / ^ _ ! ' % & , ; : | ( ) [ ] { }  stand for themselves;
//   $       a currency sign        deg     \circ, \degree, "degrees"
//   \{ \}   braces of a set        < >     \langle \rangle (written "\<" "\>")
//   pm mp   \pm, \mp               sep     "and", "or"
//   cup cap setminus               \\      the end of a matrix's row
//   lfloor rfloor lceil rceil
// and relations are "=", "#" (not equal), "<", ">", "l" and "g" (less or equal,
// greater or equal), "~" (about), "e" (element of), "c" (congruent), with a
// "rel" before them: "rel=".

// The tokens, the last of which is kStop.
std::vector<Token> Lex(absl::string_view text);

// Whether the word is a unit of measurement of two letters or more.
bool IsUnitWord(absl::string_view word);

// The answer's text without what surrounds it: white space, math delimiters
// around the whole, and a full stop at the end.
absl::string_view StripDelimiters(absl::string_view text);

}  // namespace aha::rewards::math
