// Exact numbers in text: what number does an answer give, and are two of them
// the same?
//
// Understood are integers, decimals, fractions (1/2, \frac{1}{2}, ½), mixed
// numbers (7 3/4, 7\frac{3}{4}), scientific notation (1e5, 3 \times 10^5),
// powers (10^5), thousands separators (1,234; 1 234; 1{,}234), percent signs,
// currency signs, every dash that is used as a minus, digits of other scripts,
// and the words percent, dozen, hundred, thousand, million, billion, trillion.
//
// What only looks like a number is Kind::kMalformed: 1,23 1.2.3 12/25/2024 3:45
// 2\pi \sqrt{2} and the coordinates of (1,2).  A part of them is never taken
// for the answer.
//
// Pure functions, in time linear in the text.  Numbers have at most kMaxDigits
// digits, written out; arithmetic is exact, on rationals.
#pragma once

#include <gmpxx.h>

#include <string>

#include "absl/strings/string_view.h"

namespace aha::rewards {

inline constexpr int kMaxDigits = 4096;

struct Number {
  mpq_class value;       // 12 for "12%".
  bool percent = false;  // A percent sign, or the word, follows.
  std::string unit;      // What follows it, in lower case: "cm".
};

struct NumberReading {
  enum class Kind {
    kNumber,
    kNone,       // The text has no number.
    kMalformed,  // The text only looks like a number (see above).
    kTooLarge,   // More than kMaxDigits digits.
  };
  Kind kind = Kind::kNone;
  Number number = {};     // For kNumber.
  std::string text = {};  // What was found, in plain form (plain_math.h).
  bool at_end = false;    // The text ends with its last digit.
};

// The last number of a text.  A hyphen before it is a minus unless an operand
// stands before the hyphen ("3-5", "x - 5" end in 5) or it begins a line and a
// space follows (a list's bullet).  Digits behind a letter ("K2", "x_2") and
// exponents of letters ("cm^2") are not numbers.
NumberReading LastNumber(absl::string_view text);

// The number that the text is, and nothing else but math delimiters around it,
// "x =" before it, a full stop or a unit behind it (5 \text{ cm}, 5 apples).
// kMalformed if the text is something else.
NumberReading WholeNumber(absl::string_view text);

// WholeNumber, or else the only number that the text has.
NumberReading OnlyNumber(absl::string_view text);

// How far a number may be from the reference: the larger of an absolute
// difference and a share of the reference's magnitude.
struct Tolerance {
  mpq_class absolute = 0;
  mpq_class relative = 0;
};

// The tolerance that the decimal numbers of a job file mean: 0.1 is one tenth.
// REQUIRES: both are finite and at least 0.
Tolerance ToleranceOf(double absolute, double relative);

// Whether the answer is the reference's number.
//
// A percent sign is a unit to some and a division by 100 to others.  If both
// numbers have one, or neither has, their values are compared.  If one of them
// has, both readings count: 12% is 12 as well as 0.12.  Units are compared only
// if both numbers have one.
bool SameNumber(const Number& answer, const Number& reference,
                const Tolerance& tolerance = {});

}  // namespace aha::rewards
