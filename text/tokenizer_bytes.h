// Bytes and characters: the alphabet in which byte-level BPE spells bytes in
// tokenizer.json (GPT-2: printable Latin-1 stands for itself, the other 68
// bytes are U+0100 and up, so a space reads as U+0120).
//
// All functions are pure.
#pragma once

#include <cstddef>
#include <optional>
#include <string>

#include "absl/strings/string_view.h"

namespace aha {

// Unicode's White_Space.
bool IsWhiteSpace(char32_t code);

std::string BytesToAlphabet(absl::string_view bytes);
// Nothing if a character is not of the alphabet.
std::optional<std::string> AlphabetToBytes(absl::string_view spelled);

// For messages: printable, quoted, at most `limit` bytes of it.
std::string Quote(absl::string_view text, size_t limit = 60);

}  // namespace aha
