// Files of JSON lines.
#pragma once

#include <vector>

#include "absl/strings/string_view.h"
#include "base/lenient_json.h"

namespace aha::run {

// The objects of `text`, a line each.  Empty lines are left out; lines that
// are not objects are left out and counted in `*broken` unless that is null.
std::vector<Json> ParseJsonLines(absl::string_view text, int* broken);

}  // namespace aha::run
