#include "run/lines.h"

#include <nlohmann/json.hpp>
#include <utility>

#include "absl/strings/ascii.h"
#include "absl/strings/str_split.h"

namespace aha::run {

std::vector<Json> ParseJsonLines(absl::string_view text, int* broken) {
  std::vector<Json> values;
  for (const absl::string_view line : absl::StrSplit(text, '\n')) {
    if (absl::StripAsciiWhitespace(line).empty()) continue;
    absl::StatusOr<Json> value = ParseStoredJson(line, "line");
    if (value.ok() && value->is_object()) {
      values.push_back(*std::move(value));
    } else if (broken != nullptr) {
      ++*broken;
    }
  }
  return values;
}

}  // namespace aha::run
