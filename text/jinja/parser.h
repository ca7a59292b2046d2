// Parses a template into statements.
#pragma once

#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "text/jinja/ast.h"

namespace aha::jinja {

// INVALID_ARGUMENT: `source` is not UTF-8, not a template of Jinja, or nested
// deeper than kMaxDepth. UNIMPLEMENTED: a construct of Jinja that chat
// templates do not use. Both name the line.
absl::StatusOr<Body> ParseTemplate(absl::string_view source);

}  // namespace aha::jinja
