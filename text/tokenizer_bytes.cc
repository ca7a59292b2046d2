#include "text/tokenizer_bytes.h"

#include <array>

#include "absl/strings/escaping.h"
#include "absl/strings/str_cat.h"
#include "base/text.h"

namespace aha {
namespace {

struct Alphabet {
  std::array<char32_t, 256> to_char{};
  std::array<int16_t, 0x144> to_byte{};
};

constexpr bool StandsForItself(int byte) {
  return (byte >= '!' && byte <= '~') || (byte >= 0xA1 && byte <= 0xAC) ||
         byte >= 0xAE;
}

constexpr Alphabet MakeAlphabet() {
  Alphabet alphabet;
  for (int16_t& byte : alphabet.to_byte) byte = -1;
  char32_t next = 0x100;
  for (int byte = 0; byte < 256; ++byte) {
    const char32_t c =
        StandsForItself(byte) ? static_cast<char32_t>(byte) : next++;
    alphabet.to_char[byte] = c;
    alphabet.to_byte[c] = static_cast<int16_t>(byte);
  }
  return alphabet;
}

constexpr Alphabet kAlphabet = MakeAlphabet();
static_assert(kAlphabet.to_char[' '] == 0x120);

}  // namespace

bool IsWhiteSpace(char32_t code) {
  return (code >= 0x09 && code <= 0x0D) || code == 0x20 || code == 0x85 ||
         code == 0xA0 || code == 0x1680 || (code >= 0x2000 && code <= 0x200A) ||
         code == 0x2028 || code == 0x2029 || code == 0x202F || code == 0x205F ||
         code == 0x3000;
}

std::string BytesToAlphabet(absl::string_view bytes) {
  std::string out;
  for (const char c : bytes) {
    AppendUtf8(kAlphabet.to_char[static_cast<uint8_t>(c)], &out);
  }
  return out;
}

std::optional<std::string> AlphabetToBytes(absl::string_view spelled) {
  std::string out;
  for (size_t at = 0; at < spelled.size();) {
    const Utf8Char c = ReadUtf8(spelled, at);
    if (!c.valid || c.code >= kAlphabet.to_byte.size()) return std::nullopt;
    const int16_t byte = kAlphabet.to_byte[c.code];
    if (byte < 0) return std::nullopt;
    out.push_back(static_cast<char>(byte));
    at += c.size;
  }
  return out;
}

std::string Quote(absl::string_view text, size_t limit) {
  if (text.size() <= limit) {
    return absl::StrCat("\"", absl::Utf8SafeCEscape(text), "\"");
  }
  return absl::StrCat("\"", absl::Utf8SafeCEscape(text.substr(0, limit)),
                      "\"... (", text.size(), " bytes)");
}

}  // namespace aha
