// Text: strict UTF-8, and which word another is probably a slip for.
//
// All functions are pure.
#pragma once

#include <cstddef>
#include <string>
#include <vector>

#include "absl/strings/string_view.h"

namespace aha {

struct Utf8Char {
  char32_t code = 0xFFFD;
  // Bytes taken: of the character, or of the longest prefix of one if it is
  // malformed (Unicode's "maximal subpart").  At least 1.
  size_t size = 1;
  bool valid = false;
};
// REQUIRES: at < text.size().
Utf8Char ReadUtf8(absl::string_view text, size_t at);
void AppendUtf8(char32_t code, std::string* out);
// Offset of the first malformed byte, npos if there is none.
size_t FindMalformedUtf8(absl::string_view text);
// Every maximal malformed part becomes one U+FFFD.
std::string ReplaceMalformedUtf8(absl::string_view text);

// The candidate that `name` is probably a slip for; empty if none is near.
std::string NearestName(absl::string_view name,
                        const std::vector<std::string>& candidates);

}  // namespace aha
