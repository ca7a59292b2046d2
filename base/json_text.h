// Text of JSON values that are too many to build as objects first: the long
// arrays of numbers in the lines of rollouts and data sets.
//
// Numbers get the shortest text that reads back as the same number of the same
// type, so a float32 reads "0.1" and not "0.10000000149011612".  Pure.
#pragma once

#include <charconv>
#include <cmath>
#include <string>
#include <type_traits>

#include "absl/strings/string_view.h"

namespace aha {

// JSON has no NaN and no infinity: they become null.
template <class Number>
void AppendJsonNumber(std::string* text, Number value) {
  if constexpr (std::is_floating_point_v<Number>) {
    if (!std::isfinite(value)) {
      text->append("null");
      return;
    }
  }
  char buffer[32];
  const auto end = std::to_chars(buffer, buffer + sizeof(buffer), value);
  text->append(buffer, end.ptr);
}

template <class Numbers>
void AppendJsonArray(std::string* text, const Numbers& numbers) {
  text->push_back('[');
  bool first = true;
  for (const auto number : numbers) {
    if (!first) text->push_back(',');
    first = false;
    AppendJsonNumber(text, number);
  }
  text->push_back(']');
}

// A string with its quotes.  Bytes that are not UTF-8 become U+FFFD.
std::string JsonString(absl::string_view text);

}  // namespace aha
