// JSON of files that another version of this program may have written, or that
// another process is writing at this moment; and the one way to write JSON.
//
// Nothing here throws.  A field that is missing or has another type yields the
// fallback, so that such a file never ends a command.
#pragma once

#include <string>

#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "nlohmann/json_fwd.hpp"

namespace aha {

using Json = nlohmann::ordered_json;  // Keys stay in the order they were set.

// Parses one JSON value.  DATA_LOSS if the text is not one; the error begins
// with `what`.  (ParseJson of base/json.h returns INVALID_ARGUMENT.)
absl::StatusOr<Json> ParseStoredJson(absl::string_view text,
                                     absl::string_view what);
absl::StatusOr<Json> ReadJsonFile(const std::string& path);

// The number or text under `key`; `fallback` if there is none.
double NumberOr(const Json& object, absl::string_view key, double fallback);
std::string TextOr(const Json& object, absl::string_view key,
                   absl::string_view fallback);
// The member, or null if there is none.
const Json& MemberOrNull(const Json& object, absl::string_view key);

// On one line, or indented by two spaces with a newline at the end.  Bytes that
// are not UTF-8 become U+FFFD.
std::string ToJsonLine(const Json& value);
std::string ToIndentedJson(const Json& value);
// `text` in quotes, as ToJsonLine writes it.
std::string ToJsonString(absl::string_view text);

}  // namespace aha
