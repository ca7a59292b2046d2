// JSON as the run directory holds it, read leniently.
//
// Nothing here throws: a missing or mistyped field yields the fallback, so a
// file of another version or a half-written line never ends a command.
#pragma once

#include <string>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "nlohmann/json_fwd.hpp"

namespace aha::cli {

using Json = nlohmann::ordered_json;  // Keys stay in the order they were set.

// kDataLoss if the text is not one JSON value.
absl::StatusOr<Json> ParseJson(absl::string_view text, absl::string_view what);
absl::StatusOr<Json> ReadJsonFile(const std::string& path);

double NumberOr(const Json& object, absl::string_view key, double fallback);
std::string TextOr(const Json& object, absl::string_view key,
                   absl::string_view fallback);
// The member, or null if there is none.
const Json& MemberOrNull(const Json& object, absl::string_view key);

// In every text within `value`, not in its keys.
void ReplaceInTexts(const std::string& from, const std::string& to,
                    Json* value);

// Two-space indentation; invalid UTF-8 replaced.
std::string ToJsonText(const Json& value);
std::string ToYamlText(const Json& value);

}  // namespace aha::cli
