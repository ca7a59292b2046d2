#include "job/file/rules.h"

#include <algorithm>
#include <cmath>
#include <string>
#include <vector>

#include "absl/strings/str_cat.h"
#include "base/text.h"
#include "job/config_errors.h"
#include "job/file/schema.h"

namespace aha {
namespace {

std::string WithUnit(const std::string& text, const v1::Rule& rule) {
  return rule.unit().empty() ? text : absl::StrCat(text, " ", rule.unit());
}

// `exact` is the value as the user would write it: a double may not hold it.
void CheckNumber(const std::string& path, const v1::Rule& rule, double value,
                 const std::string& exact, ConfigErrors* errors) {
  if (!std::isfinite(value)) {
    errors->Add(path, absl::StrCat("must be finite, got ", exact));
    return;
  }
  const bool low =
      rule.has_min() &&
      (rule.exclusive_min() ? value <= rule.min() : value < rule.min());
  const bool high = rule.has_max() && value > rule.max();
  if (!low && !high) return;
  const std::string range = RangeText(rule);
  const bool two_sided = rule.has_min() && rule.has_max();
  errors->Add(path, absl::StrCat("must be ", two_sided ? "from " : "",
                                 WithUnit(range, rule), ", got ", exact));
}

void CheckText(const std::string& path, const v1::Rule& rule,
               const std::string& value, ConfigErrors* errors) {
  if (rule.one_of_size() == 0) return;
  const std::vector<std::string> allowed(rule.one_of().begin(),
                                         rule.one_of().end());
  if (std::find(allowed.begin(), allowed.end(), value) != allowed.end()) {
    return;
  }
  const std::string nearest = NearestName(value, allowed);
  errors->Add(path, absl::StrCat("must be ", RangeText(rule), "; got '", value,
                                 "'", nearest.empty() ? "" : "; did you mean ",
                                 nearest, nearest.empty() ? "" : "?"));
}

void CheckScalar(const Message& message, const FieldDescriptor& field,
                 const std::string& path, ConfigErrors* errors) {
  const Reflection& reflection = *message.GetReflection();
  const v1::Rule& rule = RuleOf(field);
  switch (field.cpp_type()) {
    case FieldDescriptor::CPPTYPE_DOUBLE: {
      const double value = reflection.GetDouble(message, &field);
      CheckNumber(path, rule, value, NumberText(value), errors);
      break;
    }
    case FieldDescriptor::CPPTYPE_INT32: {
      const int32_t value = reflection.GetInt32(message, &field);
      CheckNumber(path, rule, value, absl::StrCat(value), errors);
      break;
    }
    case FieldDescriptor::CPPTYPE_UINT64: {
      const uint64_t value = reflection.GetUInt64(message, &field);
      CheckNumber(path, rule, static_cast<double>(value), absl::StrCat(value),
                  errors);
      break;
    }
    case FieldDescriptor::CPPTYPE_STRING:
      CheckText(path, rule, reflection.GetString(message, &field), errors);
      break;
    default:
      break;
  }
}

void CheckMessage(const Message& message, const std::string& path,
                  ConfigErrors* errors);

void CheckRepeated(const Message& message, const FieldDescriptor& field,
                   const std::string& path, ConfigErrors* errors) {
  const Reflection& reflection = *message.GetReflection();
  const int size = reflection.FieldSize(message, &field);
  if (size == 0 && RuleOf(field).required()) {
    errors->Add(path, absl::StrCat("is required: ", RuleOf(field).help()));
  }
  for (int i = 0; i < size; ++i) {
    const std::string item = ItemPath(path, i);
    if (IsMessage(field)) {
      CheckMessage(reflection.GetRepeatedMessage(message, &field, i), item,
                   errors);
    } else if (field.cpp_type() == FieldDescriptor::CPPTYPE_STRING) {
      CheckText(item, RuleOf(field),
                reflection.GetRepeatedString(message, &field, i), errors);
    }
  }
}

void CheckMessage(const Message& message, const std::string& path,
                  ConfigErrors* errors) {
  const Descriptor& descriptor = *message.GetDescriptor();
  const Reflection& reflection = *message.GetReflection();
  for (int i = 0; i < descriptor.field_count(); ++i) {
    const FieldDescriptor& field = *descriptor.field(i);
    const std::string child = ChildPath(path, field.name());
    if (field.is_repeated()) {
      CheckRepeated(message, field, child, errors);
    } else if (!reflection.HasField(message, &field)) {
      if (RuleOf(field).required()) {
        errors->Add(child, absl::StrCat("is required: ", RuleOf(field).help()));
      }
    } else if (IsMessage(field)) {
      CheckMessage(reflection.GetMessage(message, &field), child, errors);
    } else {
      CheckScalar(message, field, child, errors);
    }
  }
}

}  // namespace

void CheckRules(const v1::Job& job, ConfigErrors* errors) {
  CheckMessage(job, "", errors);
}

}  // namespace aha
