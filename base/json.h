// Parsing of JSON that comes from outside. Use it instead of nlohmann's parser,
// which throws and has no limit on nesting.
#pragma once

#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "nlohmann/json_fwd.hpp"

namespace aha {

// The library copies and dumps values recursively, so much deeper values
// overflow the stack.
inline constexpr int kMaxJsonDepth = 64;

// Parses one JSON value. INVALID_ARGUMENT says where `text` is not JSON, or
// that it is nested more than kMaxJsonDepth deep, in UTF-8 whatever the bytes
// of `text` are. Json is nlohmann::json or nlohmann::ordered_json.
template <class Json>
absl::StatusOr<Json> ParseJson(absl::string_view text);

extern template absl::StatusOr<nlohmann::json> ParseJson(
    absl::string_view text);
extern template absl::StatusOr<nlohmann::ordered_json> ParseJson(
    absl::string_view text);

}  // namespace aha
