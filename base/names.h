// Choices that a user makes by name: a table of rows, each with a `name`, and
// how a text finds its row.
//
// Pure functions.
#pragma once

#include <string>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/string_view.h"

namespace aha {

// A row of a table that says no more than the names of an enum's values.
template <class Value>
struct NamedValue {
  Value value;
  absl::string_view name;
};

// "a, b or c".
template <class Table>
std::string ListNames(const Table& table) {
  std::string out;
  size_t left = std::size(table);
  for (const auto& row : table) {
    absl::StrAppend(&out,
                    out.empty() ? ""
                    : left == 1 ? " or "
                                : ", ",
                    row.name);
    --left;
  }
  return out;
}

// The row of that name.  INVALID_ARGUMENT names `field`, the names that there
// are, and `name`.  REQUIRES: the table outlives the result.
template <class Table>
auto FindByName(absl::string_view field, const Table& table,
                absl::string_view name)
    -> absl::StatusOr<decltype(&*std::begin(table))> {
  for (const auto& row : table) {
    if (row.name == name) return &row;
  }
  return absl::InvalidArgumentError(
      absl::StrCat(field, " must be ", ListNames(table), ", got '", name, "'"));
}

// The value of that name in a table of NamedValue.
template <class Value, size_t kSize>
absl::StatusOr<Value> ValueOfName(absl::string_view field,
                                  const NamedValue<Value> (&table)[kSize],
                                  absl::string_view name) {
  const auto row = FindByName(field, table, name);
  if (!row.ok()) return row.status();
  return (*row)->value;
}

// The name of a value that the table has; empty for others.
template <class Value, size_t kSize>
absl::string_view NameOfValue(const NamedValue<Value> (&table)[kSize],
                              Value value) {
  for (const NamedValue<Value>& row : table) {
    if (row.value == value) return row.name;
  }
  return "";
}

}  // namespace aha
