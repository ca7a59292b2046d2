// Writes a job as YAML and as JSON: the keys that are set, in the order of the
// schema.
#include <string>

#include "absl/strings/ascii.h"
#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "job/config_errors.h"
#include "job/file/job.h"
#include "job/file/schema.h"

namespace aha {
namespace {

// A string in double quotes, as JSON and YAML both read it.
std::string Quoted(const std::string& text) {
  std::string out = "\"";
  for (const char c : text) {
    const uint8_t byte = static_cast<uint8_t>(c);
    if (c == '"' || c == '\\') {
      out += '\\';
      out += c;
    } else if (c == '\n') {
      out += "\\n";
    } else if (byte < 0x20 || byte == 0x7F) {
      absl::StrAppend(&out, "\\u00", absl::Hex(byte, absl::kZeroPad2));
    } else {
      out += c;
    }
  }
  return out + "\"";
}

// Whether YAML reads the text back as itself without quotes.
bool IsPlain(const std::string& text) {
  if (text.empty() || !(absl::ascii_isalpha(text[0]) || text[0] == '/')) {
    return false;
  }
  for (const char c : text) {
    if (!absl::ascii_isalnum(c) &&
        !absl::StrContains("_-./", std::string(1, c))) {
      return false;
    }
  }
  for (const char* word : {"null", "true", "false", "yes", "no", "on", "off",
                           "y", "n", "nan", "inf"}) {
    if (absl::EqualsIgnoreCase(text, word)) return false;
  }
  return true;
}

enum class Syntax { kYaml, kJson };

// `index` is -1 for a field that is not repeated.
std::string ScalarText(const Message& message, const FieldDescriptor& field,
                       int index, Syntax syntax) {
  const Reflection& reflection = *message.GetReflection();
  switch (field.cpp_type()) {
    case FieldDescriptor::CPPTYPE_BOOL:
      return reflection.GetBool(message, &field) ? "true" : "false";
    case FieldDescriptor::CPPTYPE_DOUBLE:
      return NumberText(reflection.GetDouble(message, &field));
    case FieldDescriptor::CPPTYPE_INT32:
      return absl::StrCat(reflection.GetInt32(message, &field));
    case FieldDescriptor::CPPTYPE_UINT64:
      return absl::StrCat(reflection.GetUInt64(message, &field));
    default: {
      const std::string text =
          index < 0 ? reflection.GetString(message, &field)
                    : reflection.GetRepeatedString(message, &field, index);
      return syntax == Syntax::kYaml && IsPlain(text) ? text : Quoted(text);
    }
  }
}

std::string ListText(const Message& message, const FieldDescriptor& field,
                     Syntax syntax) {
  const int size = message.GetReflection()->FieldSize(message, &field);
  std::string out = "[";
  for (int i = 0; i < size; ++i) {
    absl::StrAppend(&out, i > 0 ? ", " : "",
                    ScalarText(message, field, i, syntax));
  }
  return out + "]";
}

std::vector<const FieldDescriptor*> SetFields(const Message& message) {
  std::vector<const FieldDescriptor*> set;
  const Descriptor& descriptor = *message.GetDescriptor();
  const Reflection& reflection = *message.GetReflection();
  for (int i = 0; i < descriptor.field_count(); ++i) {
    const FieldDescriptor* field = descriptor.field(i);
    if (field->is_repeated() ? reflection.FieldSize(message, field) > 0
                             : reflection.HasField(message, field)) {
      set.push_back(field);
    }
  }
  return set;
}

void AppendYaml(const Message& message, int indent, std::string* out);

void AppendYamlField(const Message& message, const FieldDescriptor& field,
                     int indent, std::string* out) {
  const Reflection& reflection = *message.GetReflection();
  absl::StrAppend(out, field.name(), ":");
  if (!IsMessage(field)) {
    absl::StrAppend(out, " ",
                    field.is_repeated()
                        ? ListText(message, field, Syntax::kYaml)
                        : ScalarText(message, field, -1, Syntax::kYaml),
                    "\n");
    return;
  }
  if (!field.is_repeated()) {
    const Message& child = reflection.GetMessage(message, &field);
    if (SetFields(child).empty()) {
      *out += " {}\n";
      return;
    }
    *out += '\n';
    AppendYaml(child, indent + 2, out);
    return;
  }
  *out += '\n';
  for (int i = 0; i < reflection.FieldSize(message, &field); ++i) {
    const Message& item = reflection.GetRepeatedMessage(message, &field, i);
    std::string text;
    AppendYaml(item, indent + 4, &text);
    if (text.empty()) text = absl::StrCat(std::string(indent + 4, ' '), "{}\n");
    text[static_cast<size_t>(indent) + 2] = '-';
    *out += text;
  }
}

void AppendYaml(const Message& message, int indent, std::string* out) {
  for (const FieldDescriptor* field : SetFields(message)) {
    out->append(static_cast<size_t>(indent), ' ');
    AppendYamlField(message, *field, indent, out);
  }
}

void AppendJson(const Message& message, int indent, std::string* out) {
  const std::string margin(static_cast<size_t>(indent) + 2, ' ');
  const Reflection& reflection = *message.GetReflection();
  *out += '{';
  const char* separator = "\n";
  for (const FieldDescriptor* field : SetFields(message)) {
    absl::StrAppend(out, separator, margin, "\"", field->name(), "\": ");
    separator = ",\n";
    if (!IsMessage(*field)) {
      *out += field->is_repeated()
                  ? ListText(message, *field, Syntax::kJson)
                  : ScalarText(message, *field, -1, Syntax::kJson);
    } else if (!field->is_repeated()) {
      AppendJson(reflection.GetMessage(message, field), indent + 2, out);
    } else {
      *out += '[';
      for (int i = 0; i < reflection.FieldSize(message, field); ++i) {
        if (i > 0) *out += ", ";
        AppendJson(reflection.GetRepeatedMessage(message, field, i), indent + 2,
                   out);
      }
      *out += ']';
    }
  }
  if (separator[0] == ',') {
    absl::StrAppend(out, "\n", std::string(static_cast<size_t>(indent), ' '));
  }
  *out += '}';
}

}  // namespace

std::string JobToYaml(const v1::Job& job) {
  std::string out;
  AppendYaml(job, 0, &out);
  return out;
}

std::string JobToJson(const v1::Job& job) {
  std::string out;
  AppendJson(job, 0, &out);
  return out + "\n";
}

}  // namespace aha
