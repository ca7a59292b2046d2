// Whether an answer says what the reference says.
//
// The tiers, in this order; the first that says yes decides:
//   text          the same text in any LaTeX spelling, or the same words
//   rational      the same exact rational number
//   decimal       a decimal that is at most one millionth off what cannot be
//                 written as a finite decimal (1/3, \pi, \sqrt{2}), or a number
//                 within the tolerance that the job file sets
//   polynomial    the same rational function, proved
//   values        the same values at a few points, see evaluate.h
//   structure     the same operation on the same operands
// and for what is made of expressions, with the same tiers for its parts:
//   list, set     in any order
//   tuple, interval, matrix   in order, with the same brackets
//   equation, inequality      the same sides, or the same up to a factor
//
// What may be left out on one side: a unit, a percent sign (12% is 12 and
// 0.12), a name before an equals sign, the braces of a set with one element.
//
// Pure functions.
#pragma once

#include <string>

#include "absl/strings/string_view.h"
#include "rewards/math/budget.h"
#include "rewards/number.h"

namespace aha::rewards::math {

struct Comparison {
  bool same = false;
  absl::string_view tier = {};  // The one that decided, if `same`.
  // The budget was spent, or a text was too large, before anything was found.
  bool limit = false;
  // The answer could not be parsed, so only its text was compared.
  bool unread = false;
};

Comparison CompareAnswers(absl::string_view answer, absl::string_view reference,
                          const Tolerance& tolerance, Budget* budget);

}  // namespace aha::rewards::math
