#include "base/json.h"

#include "absl/strings/str_cat.h"
#include "absl/strings/strip.h"
#include "base/status.h"
#include "base/text.h"
#include "nlohmann/json.hpp"

namespace aha {
namespace {

// A reason quotes the text around the error.
constexpr size_t kMaxReason = 200;

// Refuses what the library would misread, and nesting that is too deep for it.
absl::Status CheckPlain(absl::string_view text) {
  int depth = 0;
  bool in_string = false;
  for (size_t i = 0; i < text.size(); ++i) {
    const char c = text[i];
    if (in_string) {
      if (c == '\\') ++i;
      if (c == '"') in_string = false;
    } else if (c == '"') {
      in_string = true;
    } else if (c == '\0') {
      // The library would take it for the end of the text.
      return absl::InvalidArgumentError(
          absl::StrCat("not valid JSON: a zero byte at byte ", i + 1));
    } else if (c == '[' || c == '{') {
      if (++depth <= kMaxJsonDepth) continue;
      return absl::InvalidArgumentError(
          absl::StrCat("must be JSON nested at most ", kMaxJsonDepth,
                       " deep, is deeper at byte ", i + 1));
    } else if (c == ']' || c == '}') {
      --depth;
    }
  }
  return absl::OkStatus();
}

}  // namespace

template <class Json>
absl::StatusOr<Json> ParseJson(absl::string_view text) {
  // This comes before parsing because even freeing a deep tree costs more than
  // refusing it.
  AHA_RETURN_IF_ERROR(CheckPlain(text));
  // This is the only place that handles the library's exceptions.
  try {
    return Json::parse(text.begin(), text.end());
  } catch (const typename Json::exception& error) {
    // "[json.exception.parse_error.101] parse error at line 1, column 5: ..."
    absl::string_view what = error.what();
    if (const size_t end = what.find("] "); end != absl::string_view::npos) {
      what.remove_prefix(end + 2);
    }
    absl::ConsumePrefix(&what, "parse error at ");
    absl::ConsumePrefix(&what, "line 1, ");
    return absl::InvalidArgumentError(
        absl::StrCat("not valid JSON: ",
                     // It quotes the text, and may be cut within a character.
                     ReplaceMalformedUtf8(what.substr(0, kMaxReason)),
                     what.size() > kMaxReason ? "..." : ""));
  }
}

template absl::StatusOr<nlohmann::json> ParseJson(absl::string_view text);
template absl::StatusOr<nlohmann::ordered_json> ParseJson(
    absl::string_view text);

}  // namespace aha
