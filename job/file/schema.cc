#include "job/file/schema.h"

#include <algorithm>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "job/config_errors.h"

namespace aha {
namespace {

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
  std::string name = ScalarTypeName(field);
  if (!field.is_repeated()) return name;
  return absl::StrCat("list of ", name, IsMessage(field) ? "s" : "");
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
