// Comparison of any expressions by evaluation, in ball arithmetic (Arb): each
// value is known together with a bound of its error, so what differs is proved
// to differ.  What does not differ at a few pseudo-random points, to 100 bits
// and more, is taken for equal; that is evidence and no proof.
//
// Powers, roots and logarithms of negative numbers have their principal values,
// but odd roots of a negative number are negative: \sqrt[3]{-8} = -2.  \log
// without a base is the natural one.
//
// Pure functions: the points are a function of the symbols' names, and balls
// are computed with integers, so every machine finds the same.
#pragma once

#include <gmpxx.h>

#include "rewards/math/budget.h"
#include "rewards/math/expression.h"
#include "rewards/math/polynomial.h"

namespace aha::rewards::math {

// kUnknown: a value is not defined at too many of the points, or an expression
// has a part that has no value.
Finding CompareValues(const Expression& a, const Expression& b, Budget* budget);

// Whether |a - b| <= relative max(|a|, |b|), or <= absolute, for expressions
// without symbols.
Finding CompareWithin(const Expression& a, const Expression& b,
                      const mpq_class& relative, const mpq_class& absolute,
                      Budget* budget);

// Whether one is the other times a constant, which is positive if `positive`.
Finding CompareValuesUpToFactor(const Expression& a, const Expression& b,
                                bool positive, Budget* budget);

}  // namespace aha::rewards::math
