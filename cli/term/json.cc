#include "cli/term/json.h"

#include <yaml-cpp/yaml.h>

#include <algorithm>
#include <cctype>
#include <iterator>
#include <nlohmann/json.hpp>

#include "absl/strings/match.h"

namespace aha::cli {
namespace {

// Whether `text` without quotes is read back as the same string: "12e4" and
// "yes" are not.
bool ReadsAsText(const std::string& text) {
  static constexpr const char* kWords[] = {"true", "false", "yes", "no", "on",
                                           "off",  "null",  "y",   "n"};
  if (text.empty() || !std::isalpha(static_cast<unsigned char>(text[0])) ||
      text.back() == ' ' ||
      text.find_first_not_of("abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRST"
                             "UVWXYZ0123456789_-./ ") != std::string::npos) {
    return false;
  }
  return std::none_of(
      std::begin(kWords), std::end(kWords),
      [&text](const char* word) { return absl::EqualsIgnoreCase(text, word); });
}

void EmitYaml(const Json& value, YAML::Emitter* out) {
  if (value.is_object()) {
    *out << YAML::BeginMap;
    for (const auto& [key, member] : value.items()) {
      *out << YAML::Key << key << YAML::Value;
      EmitYaml(member, out);
    }
    *out << YAML::EndMap;
  } else if (value.is_array()) {
    const bool flat = value.empty() || !value.front().is_structured();
    if (flat) *out << YAML::Flow;
    *out << YAML::BeginSeq;
    for (const Json& element : value) EmitYaml(element, out);
    *out << YAML::EndSeq;
  } else if (value.is_string()) {
    const std::string text = value.get<std::string>();
    if (!ReadsAsText(text)) *out << YAML::DoubleQuoted;
    *out << text;
  } else if (value.is_null()) {
    *out << YAML::Null;
  } else {
    *out << value.dump();
  }
}

}  // namespace

std::string ToJsonText(const Json& value) { return ToIndentedJson(value); }

std::string ToYamlText(const Json& value) {
  YAML::Emitter out;
  out.SetIndent(2);
  // The emitter refuses text that is not UTF-8; a dump and a parse replace it.
  EmitYaml(Json::parse(ToJsonLine(value)), &out);
  return std::string(out.c_str(), out.size()) + "\n";
}

}  // namespace aha::cli
