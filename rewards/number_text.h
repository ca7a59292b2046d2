// Decimal numbers as they stand in text, compared exactly: "1,000.50" is
// 1000.5, and nothing goes through floating point.
//
// Pure functions, in time linear in the text.
#pragma once

#include <optional>
#include <string>

#include "absl/strings/string_view.h"

namespace aha {

// A number found in a text.
struct NumberInText {
  std::string value;  // Canonical: equal numbers have equal texts.
  size_t end = 0;     // Offset behind its last character.
};

// The last number of the text: an optional minus, digits (with or without
// commas between thousands), optionally a point and digits.  Digits behind a
// letter ("K2") are no number, nor is a hyphen behind a letter, digit or
// closing bracket a minus ("3-5" ends in 5).
std::optional<NumberInText> LastNumber(absl::string_view text);

// Canonical value of a text that, trimmed, is a number and nothing else.
std::optional<std::string> WholeNumberText(absl::string_view text);

}  // namespace aha
