#include "model/config_json.h"

#include <limits>

#include "absl/strings/str_cat.h"
#include "base/json.h"
#include "base/status.h"

namespace aha {
namespace {

using Json = nlohmann::json;

constexpr size_t kMaxConfigBytes = 1 << 20;

}  // namespace

absl::Status ConfigInvalid(absl::string_view field, absl::string_view rule,
                           absl::string_view value) {
  return absl::InvalidArgumentError(
      absl::StrCat("config.json: ", field, " ", rule, ", found ", value));
}

absl::Status ConfigUnsupported(absl::string_view field, absl::string_view rule,
                               absl::string_view value) {
  return absl::UnimplementedError(absl::StrCat("config.json: ", field, " ",
                                               rule, ", found ", value,
                                               " (not supported)"));
}

std::string ShowJson(const Json& value) {
  std::string text =
      value.is_structured()
          ? std::string(value.is_array() ? "an array" : "an object")
          : value.dump(-1, ' ', true, Json::error_handler_t::replace);
  if (text.size() > 60) text = text.substr(0, 57) + "...";
  return text;
}

absl::StatusOr<int64_t> ToInteger(const Json& value, absl::string_view field) {
  const bool fits =
      value.is_number_integer() &&
      !(value.is_number_unsigned() &&
        value.get<uint64_t>() > uint64_t{std::numeric_limits<int64_t>::max()});
  if (!fits) {
    return ConfigInvalid(field, "must be an integer", ShowJson(value));
  }
  return value.get<int64_t>();
}

absl::StatusOr<ConfigJson> ConfigJson::Parse(absl::string_view text) {
  if (text.size() > kMaxConfigBytes) {
    return absl::InvalidArgumentError(
        absl::StrCat("config.json: must be at most ", kMaxConfigBytes,
                     " bytes, found ", text.size()));
  }
  absl::StatusOr<Json> json = ParseJson<Json>(text);
  if (!json.ok()) {
    return absl::InvalidArgumentError(
        absl::StrCat("config.json: ", json.status().message()));
  }
  if (!json->is_object()) {
    return absl::InvalidArgumentError("config.json: must be a JSON object");
  }
  return ConfigJson(*std::move(json), "");
}

std::string ConfigJson::NameOf(const char* field) const {
  return absl::StrCat(path_, field);
}

const Json* ConfigJson::Find(const char* field) const {
  const auto it = json_.find(field);
  return it == json_.end() || it->is_null() ? nullptr : &*it;
}

bool ConfigJson::IsNull(const char* field) const {
  const auto it = json_.find(field);
  return it != json_.end() && it->is_null();
}

absl::Status ConfigJson::ReadInteger(const char* field, int64_t* out) const {
  const Json* value = Find(field);
  if (value == nullptr) return absl::OkStatus();
  AHA_ASSIGN_OR_RETURN(*out, ToInteger(*value, NameOf(field)));
  return absl::OkStatus();
}

absl::Status ConfigJson::ReadRequiredInteger(const char* field,
                                             int64_t* out) const {
  if (Find(field) == nullptr) {
    return ConfigInvalid(NameOf(field), "is required", "nothing");
  }
  return ReadInteger(field, out);
}

absl::Status ConfigJson::ReadNumber(const char* field, double* out) const {
  const Json* value = Find(field);
  if (value == nullptr) return absl::OkStatus();
  if (!value->is_number()) {
    return ConfigInvalid(NameOf(field), "must be a number", ShowJson(*value));
  }
  *out = value->get<double>();
  return absl::OkStatus();
}

absl::Status ConfigJson::ReadRequiredNumber(const char* field,
                                            double* out) const {
  if (Find(field) == nullptr) {
    return ConfigInvalid(NameOf(field), "is required", "nothing");
  }
  return ReadNumber(field, out);
}

absl::Status ConfigJson::ReadBool(const char* field, bool* out) const {
  const Json* value = Find(field);
  if (value == nullptr) return absl::OkStatus();
  if (!value->is_boolean()) {
    return ConfigInvalid(NameOf(field), "must be true or false",
                         ShowJson(*value));
  }
  *out = value->get<bool>();
  return absl::OkStatus();
}

absl::Status ConfigJson::RequireEqual(const char* field,
                                      const Json& want) const {
  const Json* value = Find(field);
  if (value == nullptr || *value == want) return absl::OkStatus();
  return ConfigUnsupported(NameOf(field),
                           absl::StrCat("must be ", ShowJson(want)),
                           ShowJson(*value));
}

absl::Status ConfigJson::RequireAbsent(const char* field) const {
  const Json* value = Find(field);
  if (value == nullptr) return absl::OkStatus();
  return ConfigUnsupported(NameOf(field), "must be null", ShowJson(*value));
}

}  // namespace aha
