#include "base/lenient_json.h"

#include <nlohmann/json.hpp>

#include "absl/strings/str_cat.h"
#include "base/file_io.h"
#include "base/json.h"
#include "base/status.h"

namespace aha {

absl::StatusOr<Json> ParseStoredJson(absl::string_view text,
                                     absl::string_view what) {
  absl::StatusOr<Json> value = ParseJson<Json>(text);
  if (value.ok()) return value;
  return absl::DataLossError(
      absl::StrCat(what, ": ", value.status().message()));
}

absl::StatusOr<Json> ReadJsonFile(const std::string& path) {
  AHA_ASSIGN_OR_RETURN(const std::string text, ReadWholeFile(path));
  return ParseStoredJson(text, path);
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

std::string ToJsonLine(const Json& value) {
  return value.dump(-1, ' ', false, Json::error_handler_t::replace);
}

std::string ToIndentedJson(const Json& value) {
  return value.dump(2, ' ', false, Json::error_handler_t::replace) + "\n";
}

std::string ToJsonString(absl::string_view text) {
  return ToJsonLine(Json(std::string(text)));
}

}  // namespace aha
