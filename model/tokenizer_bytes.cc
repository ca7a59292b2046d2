#include "model/tokenizer_bytes.h"

#include <array>

#include "absl/strings/escaping.h"
#include "absl/strings/str_cat.h"

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

struct LeadByte {
  size_t size;         // Of the whole character; 0: no character starts so.
  uint8_t first_low;   // Range of the second byte, which excludes overlong
  uint8_t first_high;  // forms, surrogates and codes above U+10FFFF.
};

LeadByte Classify(uint8_t lead) {
  if (lead < 0x80) return {1, 0, 0};
  if (lead < 0xC2) return {0, 0, 0};
  if (lead < 0xE0) return {2, 0x80, 0xBF};
  if (lead == 0xE0) return {3, 0xA0, 0xBF};
  if (lead == 0xED) return {3, 0x80, 0x9F};
  if (lead < 0xF0) return {3, 0x80, 0xBF};
  if (lead == 0xF0) return {4, 0x90, 0xBF};
  if (lead < 0xF4) return {4, 0x80, 0xBF};
  if (lead == 0xF4) return {4, 0x80, 0x8F};
  return {0, 0, 0};
}

}  // namespace

Utf8Char ReadUtf8(absl::string_view text, size_t at) {
  const auto byte = [&](size_t i) { return static_cast<uint8_t>(text[i]); };
  const LeadByte lead = Classify(byte(at));
  if (lead.size == 0) return {};
  if (lead.size == 1) return {byte(at), 1, true};
  char32_t code = byte(at) & (0x7F >> lead.size);
  for (size_t i = 1; i < lead.size; ++i) {
    const uint8_t low = i == 1 ? lead.first_low : 0x80;
    const uint8_t high = i == 1 ? lead.first_high : 0xBF;
    if (at + i >= text.size() || byte(at + i) < low || byte(at + i) > high) {
      return {0xFFFD, i, false};
    }
    code = (code << 6) | (byte(at + i) & 0x3F);
  }
  return {code, lead.size, true};
}

void AppendUtf8(char32_t code, std::string* out) {
  if (code < 0x80) {
    out->push_back(static_cast<char>(code));
    return;
  }
  const int extra = code < 0x800 ? 1 : code < 0x10000 ? 2 : 3;
  const uint32_t mark = (0xFF00u >> (extra + 1)) & 0xFF;
  out->push_back(static_cast<char>(mark | (code >> (6 * extra))));
  for (int i = extra - 1; i >= 0; --i) {
    out->push_back(static_cast<char>(0x80 | ((code >> (6 * i)) & 0x3F)));
  }
}

size_t FindMalformedUtf8(absl::string_view text) {
  for (size_t at = 0; at < text.size();) {
    const Utf8Char c = ReadUtf8(text, at);
    if (!c.valid) return at;
    at += c.size;
  }
  return absl::string_view::npos;
}

std::string ReplaceMalformedUtf8(absl::string_view text) {
  std::string out;
  out.reserve(text.size());
  for (size_t at = 0; at < text.size();) {
    const Utf8Char c = ReadUtf8(text, at);
    if (c.valid) {
      out.append(text.data() + at, c.size);
    } else {
      AppendUtf8(0xFFFD, &out);
    }
    at += c.size;
  }
  return out;
}

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
