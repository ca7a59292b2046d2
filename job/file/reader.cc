#include "job/file/reader.h"

#include <cmath>
#include <limits>
#include <set>
#include <string>
#include <vector>

#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "base/text.h"
#include "job/file/schema.h"

namespace aha {
namespace {

using Kind = YamlNode::Kind;

// "'abc'" for a scalar, which is cut if it is long, else the kind of the node.
std::string Shown(const YamlNode& node) {
  constexpr size_t kLongest = 60;
  if (node.kind != Kind::kScalar) return std::string(node.KindName());
  const bool cut = node.scalar.size() > kLongest;
  return absl::StrCat("'", node.scalar.substr(0, kLongest), cut ? "..." : "",
                      "'", node.quoted ? " in quotes" : "");
}

// Names the whole range: a number that is too large for the type is as
// unreadable as a text.
std::string WholeNumber(const FieldDescriptor& field) {
  const v1::Rule& rule = RuleOf(field);
  const bool is_unsigned = field.cpp_type() == FieldDescriptor::CPPTYPE_UINT64;
  const std::string low =
      rule.has_min() ? absl::StrCat(static_cast<int64_t>(rule.min()))
      : is_unsigned  ? "0"
                     : absl::StrCat(std::numeric_limits<int32_t>::min());
  const std::string high =
      rule.has_max() ? absl::StrCat(static_cast<int64_t>(rule.max()))
      : is_unsigned  ? absl::StrCat(std::numeric_limits<uint64_t>::max())
                     : absl::StrCat(std::numeric_limits<int32_t>::max());
  return absl::StrCat("a whole number from ", low, " to ", high);
}

class Reader {
 public:
  Reader(Places* places, ConfigErrors* errors)
      : places_(places), errors_(errors) {}

  void ReadMessage(const YamlNode& node, const std::string& path,
                   Message* message) {
    (*places_)[path] = node.place;
    if (node.kind == Kind::kNull) return;
    if (node.kind != Kind::kMap) {
      errors_->Add(path,
                   absl::StrCat("must be a map of keys, is ", node.KindName()));
      return;
    }
    std::set<absl::string_view> seen;
    for (size_t i = 0; i < node.keys.size(); ++i) {
      const std::string& key = node.keys[i];
      const YamlNode& value = node.items[i];
      const std::string child = ChildPath(path, key);
      (*places_)[child] = value.place;
      const FieldDescriptor* field =
          message->GetDescriptor()->FindFieldByName(key);
      if (field == nullptr) {
        errors_->Add(child, UnknownKey(key, path, *message->GetDescriptor()));
      } else if (!seen.insert(key).second) {
        errors_->Add(child, "the key is given twice");
      } else if (const std::string other = Alternative(*field, *message);
                 !other.empty()) {
        errors_->Add(child, absl::StrCat("must be absent beside ",
                                         ChildPath(path, other),
                                         ": only one of them may be given"));
      } else {
        ReadField(value, child, *field, message);
      }
    }
  }

 private:
  // The key that is set already and that excludes `field`, as the settings of
  // one stage kind exclude those of another; "" if there is none.
  static std::string Alternative(const FieldDescriptor& field,
                                 const Message& message) {
    if (field.containing_oneof() == nullptr) return "";
    const FieldDescriptor* set =
        message.GetReflection()->GetOneofFieldDescriptor(
            message, field.containing_oneof());
    return set == nullptr ? "" : set->name();
  }

  static std::string UnknownKey(const std::string& key, const std::string& path,
                                const Descriptor& around) {
    std::vector<std::string> names;
    for (int i = 0; i < around.field_count(); ++i) {
      names.push_back(around.field(i)->name());
    }
    const std::string nearest = NearestName(key, names);
    if (!nearest.empty()) {
      return absl::StrCat("unknown key; did you mean ", nearest, "?");
    }
    for (const SchemaKey& known : SchemaKeys(*v1::Job::descriptor())) {
      if (known.field->name() == key) {
        return absl::StrCat("unknown key; did you mean ", known.path, "?");
      }
    }
    return absl::StrCat("unknown key; ", path.empty() ? "a job" : path, " has ",
                        absl::StrJoin(names, ", "));
  }

  void ReadField(const YamlNode& node, const std::string& path,
                 const FieldDescriptor& field, Message* message) {
    const Reflection& reflection = *message->GetReflection();
    if (!field.is_repeated()) {
      if (IsMessage(field)) {
        ReadMessage(node, path, reflection.MutableMessage(message, &field));
      } else {
        ReadScalar(node, path, field, message);
      }
      return;
    }
    if (node.kind != Kind::kList) {
      errors_->Add(path, absl::StrCat("must be a ", TypeName(field), ", is ",
                                      node.KindName()));
      return;
    }
    for (size_t i = 0; i < node.items.size(); ++i) {
      const std::string item = ItemPath(path, static_cast<int>(i));
      (*places_)[item] = node.items[i].place;
      if (IsMessage(field)) {
        ReadMessage(node.items[i], item,
                    reflection.AddMessage(message, &field));
      } else {
        ReadScalar(node.items[i], item, field, message);
      }
    }
  }

  void ReadScalar(const YamlNode& node, const std::string& path,
                  const FieldDescriptor& field, Message* message) {
    if (node.kind == Kind::kNull) {
      errors_->Add(path, "has no value; give one or leave the key out");
      return;
    }
    if (node.kind == Kind::kScalar && SetScalar(node, field, message)) return;
    const std::string type =
        field.cpp_type() == FieldDescriptor::CPPTYPE_BOOL     ? "true or false"
        : field.cpp_type() == FieldDescriptor::CPPTYPE_STRING ? "text"
        : field.cpp_type() == FieldDescriptor::CPPTYPE_DOUBLE
            ? "a number"
            : WholeNumber(field);
    errors_->Add(path, absl::StrCat("must be ", type, ", is ", Shown(node)));
  }

  static bool SetScalar(const YamlNode& node, const FieldDescriptor& field,
                        Message* message) {
    const Reflection& reflection = *message->GetReflection();
    const std::string& text = node.scalar;
    if (field.cpp_type() == FieldDescriptor::CPPTYPE_STRING) {
      if (field.is_repeated()) {
        reflection.AddString(message, &field, text);
      } else {
        reflection.SetString(message, &field, text);
      }
      return true;
    }
    if (node.quoted || field.is_repeated()) return false;
    switch (field.cpp_type()) {
      case FieldDescriptor::CPPTYPE_BOOL: {
        if (text != "true" && text != "false") return false;
        reflection.SetBool(message, &field, text == "true");
        return true;
      }
      case FieldDescriptor::CPPTYPE_DOUBLE: {
        double value = 0;
        if (!absl::SimpleAtod(text, &value) || !std::isfinite(value)) {
          return false;
        }
        reflection.SetDouble(message, &field, value);
        return true;
      }
      case FieldDescriptor::CPPTYPE_UINT64: {
        uint64_t value = 0;
        if (!absl::SimpleAtoi(text, &value)) return false;
        reflection.SetUInt64(message, &field, value);
        return true;
      }
      case FieldDescriptor::CPPTYPE_INT32: {
        int32_t value = 0;
        if (!absl::SimpleAtoi(text, &value)) return false;
        reflection.SetInt32(message, &field, value);
        return true;
      }
      default:
        return false;  // The schema uses no other types; a test says so.
    }
  }

  Places* places_;
  ConfigErrors* errors_;
};

}  // namespace

void ReadJob(const YamlNode& root, v1::Job* job, Places* places,
             ConfigErrors* errors) {
  Reader(places, errors).ReadMessage(root, "", job);
}

}  // namespace aha
