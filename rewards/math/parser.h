// Makes an expression of mathematical text: LaTeX as models and data sets write
// it, and formulas in plain text.
//
// Pure functions.  The time is linear in the text, and the nesting is bounded.
//
// Where notation is ambiguous, it is read like this:
//   1,234  10,\!080  1{,}234  1 234   one number (in brackets, "1,234" is two)
//   7\frac{3}{4}  7 3/4               a mixed number if the fraction is proper
//   1/2x                              (1/2) x
//   \sin 2x \cos x                    \sin(2x) \cos(x)
//   (a, b)  [a, b)                    a pair or an interval
//   a, b and c                        a list
//   e  i  \pi                         the constants
//   f(x)                              a product; it compares as well
//   5 \text{ cm}  5 cm  \$5           a number with a unit
//   even  AB                          one word, one name; "ab" is a product
#pragma once

#include "absl/strings/string_view.h"
#include "rewards/math/budget.h"
#include "rewards/math/expression.h"

namespace aha::rewards::math {

struct Parsed {
  Expression expression = nullptr;  // Null if the text could not be parsed.
  bool too_large = false;           // It was not read to the end for its size.
};

Parsed Parse(absl::string_view text, Budget* budget);

}  // namespace aha::rewards::math
