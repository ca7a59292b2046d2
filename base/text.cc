// Implements base/text.h: a UTF-8 decoder after table 3-7 of the Unicode
// standard, and name suggestions by edit distance.
#include "base/text.h"

#include <algorithm>
#include <cstdint>

namespace aha {
namespace {

struct LeadByte {
  size_t size;  // Size of the whole character; 0: no character starts with it.
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

// Returns the number of edits (insert, delete, replace, swap of neighbours)
// that turn `a` into `b`.
size_t EditDistance(absl::string_view a, absl::string_view b) {
  std::vector<size_t> before(b.size() + 1), last(b.size() + 1),
      row(b.size() + 1);
  for (size_t j = 0; j <= b.size(); ++j) last[j] = j;
  for (size_t i = 1; i <= a.size(); ++i) {
    row[0] = i;
    for (size_t j = 1; j <= b.size(); ++j) {
      row[j] = std::min({last[j] + 1, row[j - 1] + 1,
                         last[j - 1] + (a[i - 1] == b[j - 1] ? 0 : 1)});
      if (i > 1 && j > 1 && a[i - 1] == b[j - 2] && a[i - 2] == b[j - 1]) {
        row[j] = std::min(row[j], before[j - 2] + 1);
      }
    }
    before.swap(last);
    last.swap(row);
  }
  return last[b.size()];
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
  const bool surrogate = code >= 0xD800 && code < 0xE000;
  if (surrogate || code > 0x10FFFF) code = 0xFFFD;
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

std::string NearestName(absl::string_view name,
                        const std::vector<std::string>& candidates) {
  constexpr size_t kLongestName = 64;
  if (name.size() > kLongestName) return "";
  // With a third of its letters wrong, a name still looks like a typing error.
  size_t best = std::max<size_t>(2, name.size() / 3) + 1;
  std::string nearest;
  for (const std::string& candidate : candidates) {
    const size_t distance = EditDistance(name, candidate);
    if (distance < best && distance < candidate.size()) {
      best = distance;
      nearest = candidate;
    }
  }
  return nearest;
}

}  // namespace aha
