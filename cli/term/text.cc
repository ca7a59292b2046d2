#include "cli/term/text.h"

#include <utf8proc.h>

#include <algorithm>
#include <cmath>
#include <cstdio>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"
#include "absl/strings/str_split.h"
#include "base/text.h"

namespace aha::cli {
namespace {

int ColumnsOf(char32_t code) {
  const auto point = static_cast<utf8proc_int32_t>(code);
  // The jamo that join to a Hangul syllable take no column of their own.
  const bool joins =
      (code >= 0x1160 && code <= 0x11FF) || (code >= 0xD7B0 && code <= 0xD7FF);
  return joins ? 0 : utf8proc_charwidth(point);
}

// Bytes of `text` that fit into `width` columns.
size_t PrefixThatFits(absl::string_view text, int width) {
  int columns = 0;
  size_t at = 0;
  while (at < text.size()) {
    const Utf8Char c = ReadUtf8(text, at);
    const int next = c.valid ? ColumnsOf(c.code) : 1;
    if (columns + next > width) break;
    columns += next;
    at += c.size;
  }
  return at;
}

void WrapParagraph(absl::string_view text, int width,
                   std::vector<std::string>* lines) {
  do {
    size_t end = PrefixThatFits(text, width);
    // A character wider than the column must still go somewhere.
    if (end == 0 && !text.empty()) end = ReadUtf8(text, 0).size;
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
    const Utf8Char c = ReadUtf8(text, at);
    if (!c.valid) {
      out += '?';
    } else if (c.code == '\n') {
      out += keep_newlines ? "\n" : "\\n";
    } else if (c.code == '\t') {
      out += "\\t";
    } else if (c.code == '\r') {
      out += "\\r";
    } else if (c.code < 0x20 || (c.code >= 0x7F && c.code < 0xA0)) {
      absl::StrAppend(&out, "\\x", absl::Hex(c.code, absl::kZeroPad2));
    } else if ((c.code >= 0x202A && c.code <= 0x202E) ||
               (c.code >= 0x2066 && c.code <= 0x2069)) {
      // Direction overrides would reorder the rest of the line.
      absl::StrAppend(&out, "\\u", absl::Hex(c.code));
    } else {
      out.append(text.data() + at, c.size);
    }
    at += c.size;
  }
  return out;
}

}  // namespace

std::string FormatSeconds(double seconds) {
  // Beyond a million years it cannot be a duration.
  if (!(seconds >= 0 && seconds < 3e13)) return "?";
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
    const Utf8Char c = ReadUtf8(text, at);
    columns += c.valid ? ColumnsOf(c.code) : 1;
    at += c.size;
  }
  return columns;
}

std::string Ellipsize(absl::string_view text, int width, Glyphs glyphs) {
  if (width <= 0) return "";
  if (DisplayWidth(text) <= width) return std::string(text);
  const absl::string_view mark = glyphs == Glyphs::kUnicode ? "…" : "~";
  return absl::StrCat(text.substr(0, PrefixThatFits(text, width - 1)), mark);
}

std::string PadRight(absl::string_view text, int width, Glyphs glyphs) {
  std::string out = Ellipsize(text, width, glyphs);
  out.append(static_cast<size_t>(std::max(0, width - DisplayWidth(out))), ' ');
  return out;
}

std::string PadLeft(absl::string_view text, int width, Glyphs glyphs) {
  const std::string cut = Ellipsize(text, width, glyphs);
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

std::string ShellQuote(absl::string_view word) {
  const bool safe =
      !word.empty() &&
      word.find_first_not_of(
          "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRST"
          "UVWXYZ0123456789_-./:=,+@%") == absl::string_view::npos;
  if (safe) return std::string(word);
  const bool plain = std::all_of(word.begin(), word.end(), [](char c) {
    return static_cast<unsigned char>(c) >= 0x20 && c != 0x7F;
  });
  std::string quoted = plain ? "'" : "$'";
  for (char c : word) {
    if (plain) {
      quoted += c == '\'' ? "'\\''" : std::string(1, c);
    } else if (c == '\'' || c == '\\') {
      quoted += std::string("\\") + c;
    } else if (c == '\n') {
      quoted += "\\n";
    } else if (static_cast<unsigned char>(c) < 0x20 || c == 0x7F) {
      absl::StrAppendFormat(&quoted, "\\x%02x", static_cast<unsigned char>(c));
    } else {
      quoted += c;
    }
  }
  return quoted + "'";
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
