// The text of values: Python's str and repr, and JSON as the filter tojson of
// transformers writes it.
//
// Each returns INVALID_ARGUMENT if the text would be longer than `max_bytes` or
// the value is nested deeper than kMaxDepth or has no text that says anything
// (a generator, a macro).
#pragma once

#include <cstddef>
#include <optional>
#include <string>

#include "absl/status/statusor.h"
#include "text/jinja/value.h"

namespace aha::jinja {

// str(value); an undefined value is the empty text.
absl::StatusOr<std::string> ToText(const Value& value, size_t max_bytes);

struct JsonStyle {
  bool ensure_ascii = false;
  bool sort_keys = false;
  std::optional<std::string> indent;  // One level; nothing: one line.
  std::string item_separator = ", ";
  std::string key_separator = ": ";
};
absl::StatusOr<std::string> ToJson(const Value& value, const JsonStyle& style,
                                   size_t max_bytes);

}  // namespace aha::jinja
