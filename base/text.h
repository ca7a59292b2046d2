// Strict UTF-8 for tokenizers and input checks, and a search for the name that
// a misspelt one probably means, for error messages. All functions are pure.
#pragma once

#include <cstddef>
#include <string>
#include <vector>

#include "absl/strings/string_view.h"

namespace aha {

struct Utf8Char {
  char32_t code = 0xFFFD;
  // Number of bytes read: the size of the character or, if it is malformed, of
  // the longest valid prefix of one (Unicode's "maximal subpart"). At least 1.
  size_t size = 1;
  bool valid = false;
};
// REQUIRES: at < text.size().
Utf8Char ReadUtf8(absl::string_view text, size_t at);
// What is no scalar value (a surrogate, a code above U+10FFFF) is written as
// U+FFFD.
void AppendUtf8(char32_t code, std::string* out);
// Returns the offset of the first malformed byte, or npos.
size_t FindMalformedUtf8(absl::string_view text);
// Replaces every maximal malformed part by one U+FFFD.
std::string ReplaceMalformedUtf8(absl::string_view text);

// Returns the candidate that `name` is probably a misspelling of; "" if none is
// close.
std::string NearestName(absl::string_view name,
                        const std::vector<std::string>& candidates);

}  // namespace aha
