// Unicode normalisation, by utf8proc.
#pragma once

#include <string>

#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"

namespace aha {

// `text` in Unicode's form C: a character and its marks become one character
// where there is one, in canonical order.  REQUIRES: text is UTF-8.
// RESOURCE_EXHAUSTED: there is no memory for the result.
absl::StatusOr<std::string> ToNfc(absl::string_view text);

}  // namespace aha
