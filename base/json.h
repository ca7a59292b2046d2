// JSON that somebody else wrote.
#pragma once

#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "nlohmann/json_fwd.hpp"

namespace aha {

// The library's copies and dumps recurse: much deeper ones end the stack.
inline constexpr int kMaxJsonDepth = 64;

// One JSON value.  INVALID_ARGUMENT says where `text` is none, or that it is
// nested more than kMaxJsonDepth deep.  Json: nlohmann::json or ordered_json.
template <class Json>
absl::StatusOr<Json> ParseJson(absl::string_view text);

extern template absl::StatusOr<nlohmann::json> ParseJson(
    absl::string_view text);
extern template absl::StatusOr<nlohmann::ordered_json> ParseJson(
    absl::string_view text);

}  // namespace aha
