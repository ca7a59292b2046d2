// Bytes and characters: strict UTF-8, and the alphabet in which byte-level BPE
// spells bytes in tokenizer.json (GPT-2: printable Latin-1 stands for itself,
// the other 68 bytes are U+0100 and up, so a space reads as U+0120).
//
// All functions are pure.
#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>

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

// Unicode's White_Space.
bool IsWhiteSpace(char32_t code);

std::string BytesToAlphabet(absl::string_view bytes);
// Nothing if a character is not of the alphabet.
std::optional<std::string> AlphabetToBytes(absl::string_view spelled);

// For messages: printable, quoted, at most `limit` bytes of it.
std::string Quote(absl::string_view text, size_t limit = 60);

}  // namespace aha
