// Exact comparison of polynomials and rational functions, by FLINT.
//
// Pure functions; any thread may call them.
#pragma once

#include "rewards/math/budget.h"
#include "rewards/math/expression.h"

namespace aha::rewards::math {

enum class Finding {
  kSame,
  kDifferent,
  // Nothing was found out: an expression is another function, is not
  // defined, or is too large.
  kUnknown,
};

// Whether both are the same rational function of their symbols.  The constants
// e, i and \pi are taken for symbols, so with them kSame is still right, and
// what differs is kUnknown.
Finding CompareRationalFunctions(const Expression& a, const Expression& b,
                                 Budget* budget);

// Whether a = 0 and b = 0 say the same since one is the other times a constant,
// which is positive if `positive`.  Without `positive`, denominators are
// multiplied away.
Finding CompareUpToFactor(const Expression& a, const Expression& b,
                          bool positive, Budget* budget);

}  // namespace aha::rewards::math
