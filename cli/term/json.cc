#include "cli/term/json.h"

#include <yaml-cpp/yaml.h>

#include <algorithm>
#include <cctype>
#include <iterator>
#include <nlohmann/json.hpp>

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_replace.h"
#include "base/file_io.h"
#include "base/json.h"
#include "base/status.h"

namespace aha::cli {
namespace {

constexpr auto kReplaceInvalid = Json::error_handler_t::replace;

// Whether `text` without quotes comes back as the same string: "12e4" and
// "yes" do not.
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

absl::StatusOr<Json> ParseJson(absl::string_view text, absl::string_view what) {
  absl::StatusOr<Json> value = aha::ParseJson<Json>(text);
  if (value.ok()) return value;
  return absl::DataLossError(
      absl::StrCat(what, ": ", value.status().message()));
}

absl::StatusOr<Json> ReadJsonFile(const std::string& path) {
  AHA_ASSIGN_OR_RETURN(const std::string text, ReadWholeFile(path));
  return ParseJson(text, path);
}

const Json& MemberOrNull(const Json& object, absl::string_view key) {
  static const Json& null = *new Json;
  if (!object.is_object()) return null;
  const auto found = object.find(std::string(key));
  return found == object.end() ? null : *found;
}

double NumberOr(const Json& object, absl::string_view key, double fallback) {
  const Json& member = MemberOrNull(object, key);
  return member.is_number() ? member.get<double>() : fallback;
}

std::string TextOr(const Json& object, absl::string_view key,
                   absl::string_view fallback) {
  const Json& member = MemberOrNull(object, key);
  return member.is_string() ? member.get<std::string>() : std::string(fallback);
}

void ReplaceInTexts(const std::string& from, const std::string& to,
                    Json* value) {
  if (value->is_string()) {
    *value = absl::StrReplaceAll(value->get<std::string>(), {{from, to}});
  }
  if (!value->is_structured()) return;
  for (Json& member : *value) ReplaceInTexts(from, to, &member);
}

std::string ToJsonText(const Json& value) {
  return value.dump(2, ' ', false, kReplaceInvalid) + "\n";
}

std::string ToYamlText(const Json& value) {
  YAML::Emitter out;
  out.SetIndent(2);
  // A dump and a parse replace invalid UTF-8, which the emitter would refuse.
  EmitYaml(Json::parse(value.dump(-1, ' ', false, kReplaceInvalid)), &out);
  return std::string(out.c_str(), out.size()) + "\n";
}

}  // namespace aha::cli
