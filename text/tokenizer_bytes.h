// The alphabet in which byte-level BPE spells bytes in tokenizer.json. As in
// GPT-2, printable Latin-1 characters stand for themselves and the other 68
// bytes for U+0100 and up, so a space reads as U+0120. All functions are pure.
#pragma once

#include <cstddef>
#include <optional>
#include <string>

#include "absl/strings/string_view.h"

namespace aha {

// Whether the character has Unicode's property White_Space.
bool IsWhiteSpace(char32_t code);

// U+2581, which sentencepiece writes for a space.
inline constexpr char kMetaspace[] = "\u2581";

std::string BytesToAlphabet(absl::string_view bytes);
// Returns nothing if a character is not in the alphabet.
std::optional<std::string> AlphabetToBytes(absl::string_view spelled);

// Returns at most `limit` bytes of `text`, quoted and escaped, for messages.
std::string Quote(absl::string_view text, size_t limit = 60);

}  // namespace aha
