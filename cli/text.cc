#include "cli/text.h"

#include <algorithm>
#include <array>
#include <cmath>
#include <cstdio>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"
#include "absl/strings/str_split.h"

namespace aha::cli {
namespace {

struct CodePoint {
  uint32_t value = 0;
  size_t bytes = 1;
  bool valid = false;
};

// Bytes that a sequence with this lead byte has; 0 if it cannot lead one.
size_t SequenceLength(unsigned char lead) {
  if (lead < 0x80) return 1;
  if (lead >= 0xC2 && lead < 0xE0) return 2;
  if (lead >= 0xE0 && lead < 0xF0) return 3;
  if (lead >= 0xF0 && lead < 0xF5) return 4;
  return 0;
}

CodePoint Decode(absl::string_view text, size_t at) {
  const auto lead = static_cast<unsigned char>(text[at]);
  const size_t length = SequenceLength(lead);
  if (length == 0 || at + length > text.size()) return {};
  if (length == 1) return {lead, 1, true};
  uint32_t value = lead & (0x7F >> length);
  for (size_t i = 1; i < length; ++i) {
    const auto next = static_cast<unsigned char>(text[at + i]);
    if ((next & 0xC0) != 0x80) return {};
    value = (value << 6) | (next & 0x3F);
  }
  const bool overlong =
      (length == 3 && value < 0x800) || (length == 4 && value < 0x10000);
  const bool surrogate = value >= 0xD800 && value <= 0xDFFF;
  if (overlong || surrogate || value > 0x10FFFF) return {};
  return {value, length, true};
}

bool InAny(uint32_t value, const std::array<uint32_t, 2>* ranges, size_t n) {
  return std::any_of(ranges, ranges + n, [value](const auto& range) {
    return value >= range[0] && value <= range[1];
  });
}

int ColumnsOf(uint32_t value) {
  // The common part of Unicode's East Asian Width and combining marks; a
  // character missing here only shifts a column.
  static constexpr std::array<uint32_t, 2> kZero[] = {
      {0x0300, 0x036F}, {0x200B, 0x200F}, {0xFE00, 0xFE0F}, {0x20D0, 0x20FF}};
  static constexpr std::array<uint32_t, 2> kWide[] = {
      {0x1100, 0x115F},   {0x2E80, 0xA4CF},  {0xAC00, 0xD7A3},
      {0xF900, 0xFAFF},   {0xFE30, 0xFE6F},  {0xFF00, 0xFF60},
      {0x1F300, 0x1FAFF}, {0x20000, 0x3FFFD}};
  if (InAny(value, kZero, std::size(kZero))) return 0;
  return InAny(value, kWide, std::size(kWide)) ? 2 : 1;
}

// Bytes of `text` that fit into `width` columns.
size_t PrefixThatFits(absl::string_view text, int width) {
  int columns = 0;
  size_t at = 0;
  while (at < text.size()) {
    const CodePoint point = Decode(text, at);
    const int next = point.valid ? ColumnsOf(point.value) : 1;
    if (columns + next > width) break;
    columns += next;
    at += point.bytes;
  }
  return at;
}

void WrapParagraph(absl::string_view text, int width,
                   std::vector<std::string>* lines) {
  do {
    size_t end = PrefixThatFits(text, width);
    // A character wider than the column must still go somewhere.
    if (end == 0 && !text.empty()) end = Decode(text, 0).bytes;
    size_t resume = end;
    if (end < text.size()) {
      const size_t space = text.rfind(' ', end);
      if (space != absl::string_view::npos && space > 0) {
        end = space;
        resume = space + 1;
      }
    }
    lines->emplace_back(text.substr(0, end));
    text.remove_prefix(resume);
  } while (!text.empty());
}

std::string Escape(absl::string_view text, bool keep_newlines) {
  std::string out;
  for (size_t at = 0; at < text.size();) {
    const CodePoint point = Decode(text, at);
    if (!point.valid) {
      out += '?';
    } else if (point.value == '\n') {
      out += keep_newlines ? "\n" : "\\n";
    } else if (point.value == '\t') {
      out += "\\t";
    } else if (point.value == '\r') {
      out += "\\r";
    } else if (point.value < 0x20 ||
               (point.value >= 0x7F && point.value < 0xA0)) {
      absl::StrAppend(&out, "\\x", absl::Hex(point.value, absl::kZeroPad2));
    } else if ((point.value >= 0x202A && point.value <= 0x202E) ||
               (point.value >= 0x2066 && point.value <= 0x2069)) {
      // Direction overrides would reorder the rest of the line.
      absl::StrAppend(&out, "\\u", absl::Hex(point.value));
    } else {
      out.append(text.data() + at, point.bytes);
    }
    at += point.bytes;
  }
  return out;
}

}  // namespace

std::string FormatSeconds(double seconds) {
  if (!std::isfinite(seconds) || seconds < 0) return "?";
  if (seconds < 0.9995) return absl::StrFormat("%.0f ms", seconds * 1e3);
  if (seconds < 9.95) return absl::StrFormat("%.1f s", seconds);
  const auto whole = static_cast<int64_t>(std::llround(seconds));
  if (whole < 60) return absl::StrFormat("%d s", whole);
  if (whole < 3600) return absl::StrFormat("%dm %02ds", whole / 60, whole % 60);
  const int64_t minutes = whole / 60;
  if (minutes < 24 * 60) {
    return absl::StrFormat("%dh %02dm", minutes / 60, minutes % 60);
  }
  const int64_t hours = minutes / 60;
  return absl::StrFormat("%dd %02dh", hours / 24, hours % 24);
}

std::string FormatCount(uint64_t count) {
  const std::string digits = absl::StrCat(count);
  std::string out;
  for (size_t i = 0; i < digits.size(); ++i) {
    if (i > 0 && (digits.size() - i) % 3 == 0) out += ',';
    out += digits[i];
  }
  return out;
}

std::string FormatBytes(uint64_t bytes) {
  if (bytes < 1024) return absl::StrCat(bytes, " B");
  static constexpr const char* kUnits[] = {"KiB", "MiB", "GiB", "TiB"};
  double value = static_cast<double>(bytes) / 1024;
  size_t unit = 0;
  while (value >= 1023.95 && unit + 1 < std::size(kUnits)) {
    value /= 1024;
    ++unit;
  }
  return absl::StrFormat("%.1f %s", value, kUnits[unit]);
}

std::string FormatPercent(double fraction) {
  if (!std::isfinite(fraction)) return "?";
  return absl::StrFormat("%.1f %%", fraction * 100);
}

int DisplayWidth(absl::string_view text) {
  int columns = 0;
  for (size_t at = 0; at < text.size();) {
    const CodePoint point = Decode(text, at);
    columns += point.valid ? ColumnsOf(point.value) : 1;
    at += point.bytes;
  }
  return columns;
}

std::string Ellipsize(absl::string_view text, int width, Glyphs glyphs) {
  if (width <= 0) return "";
  if (DisplayWidth(text) <= width) return std::string(text);
  const absl::string_view mark = glyphs == Glyphs::kUnicode ? "…" : "~";
  return absl::StrCat(text.substr(0, PrefixThatFits(text, width - 1)), mark);
}

std::string PadRight(absl::string_view text, int width) {
  std::string out = Ellipsize(text, width);
  out.append(static_cast<size_t>(std::max(0, width - DisplayWidth(out))), ' ');
  return out;
}

std::string PadLeft(absl::string_view text, int width) {
  const std::string cut = Ellipsize(text, width);
  std::string out(static_cast<size_t>(std::max(0, width - DisplayWidth(cut))),
                  ' ');
  return out + cut;
}

std::vector<std::string> Wrap(absl::string_view text, int width) {
  std::vector<std::string> lines;
  for (absl::string_view paragraph : absl::StrSplit(text, '\n')) {
    WrapParagraph(paragraph, width, &lines);
  }
  return lines;
}

std::string Printable(absl::string_view text) { return Escape(text, true); }

std::string OneLine(absl::string_view text) { return Escape(text, false); }

size_t EditDistance(absl::string_view a, absl::string_view b) {
  // Rows i - 2, i - 1 and i of the table of distances between prefixes.
  std::vector<size_t> before(b.size() + 1);
  std::vector<size_t> last(b.size() + 1);
  std::vector<size_t> row(b.size() + 1);
  for (size_t j = 0; j <= b.size(); ++j) row[j] = j;
  for (size_t i = 1; i <= a.size(); ++i) {
    before.swap(last);
    last.swap(row);
    row[0] = i;
    for (size_t j = 1; j <= b.size(); ++j) {
      row[j] = std::min({last[j - 1] + (a[i - 1] == b[j - 1] ? 0 : 1),
                         last[j] + 1, row[j - 1] + 1});
      if (i > 1 && j > 1 && a[i - 1] == b[j - 2] && a[i - 2] == b[j - 1]) {
        row[j] = std::min(row[j], before[j - 2] + 1);
      }
    }
  }
  return row[b.size()];
}

std::string Sparkline(const std::vector<double>& values, int width,
                      Glyphs glyphs) {
  static constexpr const char* kBars[] = {"▁", "▂", "▃", "▄",
                                          "▅", "▆", "▇", "█"};
  static constexpr const char* kAscii[] = {"_", ".", ",", "-",
                                           "~", "=", "+", "#"};
  if (width <= 0 || values.empty()) return "";
  // Many steps on few columns: each column is the mean of its share.
  const size_t columns = std::min<size_t>(values.size(), width);
  std::vector<double> means(columns, 0);
  for (size_t c = 0; c < columns; ++c) {
    const size_t begin = c * values.size() / columns;
    const size_t end = (c + 1) * values.size() / columns;
    for (size_t i = begin; i < end; ++i) means[c] += values[i];
    means[c] /= static_cast<double>(end - begin);
  }
  const auto [low, high] = std::minmax_element(means.begin(), means.end());
  const double range = *high - *low;
  std::string out;
  for (double mean : means) {
    const double height = range > 0 ? (mean - *low) / range : 0;
    const auto level = std::isfinite(height)
                           ? std::clamp(static_cast<int>(height * 8), 0, 7)
                           : 0;
    out += glyphs == Glyphs::kUnicode ? kBars[level] : kAscii[level];
  }
  return out;
}

std::string ProgressBar(double fraction, int width, Glyphs glyphs) {
  if (width <= 0) return "";
  if (!std::isfinite(fraction)) fraction = 0;
  const double filled = std::clamp(fraction, 0.0, 1.0) * width;
  const int full = static_cast<int>(filled);
  std::string out;
  for (int i = 0; i < width; ++i) {
    if (glyphs == Glyphs::kUnicode) {
      out += i < full ? "█" : (i == full && filled - full >= 0.5 ? "▌" : "░");
    } else {
      out += i < full ? "#" : ".";
    }
  }
  return out;
}

}  // namespace aha::cli
