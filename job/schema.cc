#include "job/schema.h"

#include <algorithm>
#include <charconv>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "job/problems.h"

namespace aha {
namespace {

// Edits (insert, delete, replace, swap of neighbours) from one to the other.
size_t EditDistance(absl::string_view a, absl::string_view b) {
  std::vector<size_t> before(b.size() + 1), last(b.size() + 1),
      row(b.size() + 1);
  for (size_t j = 0; j <= b.size(); ++j) last[j] = j;
  for (size_t i = 1; i <= a.size(); ++i) {
    row[0] = i;
    for (size_t j = 1; j <= b.size(); ++j) {
      row[j] = std::min({last[j] + 1, row[j - 1] + 1,
                         last[j - 1] + (a[i - 1] == b[j - 1] ? 0 : 1)});
      if (i > 1 && j > 1 && a[i - 1] == b[j - 2] && a[i - 2] == b[j - 1]) {
        row[j] = std::min(row[j], before[j - 2] + 1);
      }
    }
    before.swap(last);
    last.swap(row);
  }
  return last[b.size()];
}

std::string ScalarTypeName(const FieldDescriptor& field) {
  switch (field.cpp_type()) {
    case FieldDescriptor::CPPTYPE_BOOL:
      return "true or false";
    case FieldDescriptor::CPPTYPE_DOUBLE:
      return "number";
    case FieldDescriptor::CPPTYPE_STRING:
      return "text";
    case FieldDescriptor::CPPTYPE_MESSAGE:
      return "map";
    default:
      return "whole number";
  }
}

}  // namespace

const v1::Rule& RuleOf(const FieldDescriptor& field) {
  return field.options().GetExtension(v1::rule);
}

std::string TypeName(const FieldDescriptor& field) {
  const std::string name = ScalarTypeName(field);
  if (!field.is_repeated()) return name;
  return absl::StrCat("list of ", name, IsMessage(field) ? "s" : "");
}

std::string NumberText(double value) {
  char buffer[32];
  const auto end = std::to_chars(buffer, buffer + sizeof(buffer), value);
  return std::string(buffer, end.ptr);
}

std::string DefaultText(const FieldDescriptor& field) {
  if (field.is_repeated() || !field.has_default_value()) return "";
  switch (field.cpp_type()) {
    case FieldDescriptor::CPPTYPE_BOOL:
      return field.default_value_bool() ? "true" : "false";
    case FieldDescriptor::CPPTYPE_DOUBLE:
      return NumberText(field.default_value_double());
    case FieldDescriptor::CPPTYPE_STRING:
      return field.default_value_string();
    case FieldDescriptor::CPPTYPE_UINT64:
      return absl::StrCat(field.default_value_uint64());
    default:
      return absl::StrCat(field.default_value_int32());
  }
}

std::string RangeText(const v1::Rule& rule) {
  if (rule.one_of_size() > 0) {
    return absl::StrCat("one of ", absl::StrJoin(rule.one_of(), ", "));
  }
  const std::string low = absl::StrCat(rule.exclusive_min() ? "above " : "",
                                       NumberText(rule.min()));
  if (rule.has_min() && rule.has_max()) {
    return absl::StrCat(low, " to ", NumberText(rule.max()));
  }
  if (rule.has_min()) {
    return rule.exclusive_min() ? low : absl::StrCat("at least ", low);
  }
  if (rule.has_max()) return absl::StrCat("at most ", NumberText(rule.max()));
  return "";
}

std::string NearestName(absl::string_view name,
                        const std::vector<std::string>& candidates) {
  constexpr size_t kLongestName = 64;
  if (name.size() > kLongestName) return "";
  // A third of the letters wrong still looks like a slip.
  size_t best = std::max<size_t>(2, name.size() / 3) + 1;
  std::string nearest;
  for (const std::string& candidate : candidates) {
    const size_t distance = EditDistance(name, candidate);
    if (distance < best && distance < candidate.size()) {
      best = distance;
      nearest = candidate;
    }
  }
  return nearest;
}

std::vector<SchemaKey> SchemaKeys(const Descriptor& root,
                                  absl::string_view prefix) {
  std::vector<SchemaKey> keys;
  for (int i = 0; i < root.field_count(); ++i) {
    const FieldDescriptor& field = *root.field(i);
    const std::string path = ChildPath(prefix, field.name());
    keys.push_back({path, &field});
    if (!IsMessage(field)) continue;
    const std::string below =
        field.is_repeated() ? absl::StrCat(path, "[]") : path;
    for (SchemaKey& key : SchemaKeys(*field.message_type(), below)) {
      keys.push_back(std::move(key));
    }
  }
  return keys;
}

}  // namespace aha
