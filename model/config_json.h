// ConfigJson reads the fields of a config.json with their types, for
// ModelConfig and for the families (model/families/). A field that is null
// counts as absent, as it does in transformers.
//
// Errors name the field, the rule and the value. Internal to model/;
// immutable.
#pragma once

#include <cstdint>
#include <string>
#include <utility>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "nlohmann/json.hpp"

namespace aha {

// INVALID_ARGUMENT "config.json: FIELD RULE, found VALUE".
absl::Status ConfigInvalid(absl::string_view field, absl::string_view rule,
                           absl::string_view value);
// UNIMPLEMENTED, the same with "(not supported)": another model would accept
// the value, and to ignore it would compute something else.
absl::Status ConfigUnsupported(absl::string_view field, absl::string_view rule,
                               absl::string_view value);

class ConfigJson {
 public:
  // INVALID_ARGUMENT if the text is too long or no JSON object.
  static absl::StatusOr<ConfigJson> Parse(absl::string_view text);
  // Takes an object inside another; `path` precedes the fields in errors.
  ConfigJson(nlohmann::json object, std::string path)
      : json_(std::move(object)), path_(std::move(path)) {}

  // The value, or null if it is absent or null.
  const nlohmann::json* Find(const char* field) const;
  // True for a field that is there with the value null, where a family's
  // default for an absent field is another.
  bool IsNull(const char* field) const;

  // These leave *out as it is where the field is absent.
  absl::Status ReadInteger(const char* field, int64_t* out) const;
  absl::Status ReadNumber(const char* field, double* out) const;
  absl::Status ReadBool(const char* field, bool* out) const;
  // INVALID_ARGUMENT if it is absent, too.
  absl::Status ReadRequiredInteger(const char* field, int64_t* out) const;
  absl::Status ReadRequiredNumber(const char* field, double* out) const;

  // OK if the field is absent or has this value; otherwise UNIMPLEMENTED.
  absl::Status RequireEqual(const char* field,
                            const nlohmann::json& want) const;
  absl::Status RequireAbsent(const char* field) const;

  // For errors about a field of this object.
  std::string NameOf(const char* field) const;

 private:
  nlohmann::json json_;
  std::string path_;  // Empty, or ends with a dot.
};

// For errors: a value, cut to a readable length.
std::string ShowJson(const nlohmann::json& value);
// INVALID_ARGUMENT unless the value is an integer that fits int64_t.
absl::StatusOr<int64_t> ToInteger(const nlohmann::json& value,
                                  absl::string_view field);

}  // namespace aha
