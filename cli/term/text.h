// Text for terminals: durations, counts, columns, bars and sparklines.
//
// Everything that comes from a model or a file passes through Printable()
// before it reaches a terminal, so that no completion can move the cursor.
// Pure functions.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "absl/strings/string_view.h"

namespace aha::cli {

// Which characters the terminal is trusted with.
enum class Glyphs { kUnicode, kAscii };

// "850 ms", "4.2 s", "48 s", "3m 07s", "2h 05m", "3d 04h".
std::string FormatSeconds(double seconds);
// "12,345".
std::string FormatCount(uint64_t count);
// "812 B", "3.4 MiB", "1.2 GiB".
std::string FormatBytes(uint64_t bytes);
// "48.3 %" from 0.483.
std::string FormatPercent(double fraction);

// Columns that `text` (UTF-8) takes; wide characters count 2.
int DisplayWidth(absl::string_view text);
// Exactly `width` columns: padded with spaces, or cut with an ellipsis.
std::string PadRight(absl::string_view text, int width,
                     Glyphs glyphs = Glyphs::kUnicode);
std::string PadLeft(absl::string_view text, int width,
                    Glyphs glyphs = Glyphs::kUnicode);
// At most `width` columns; a cut is marked.
std::string Ellipsize(absl::string_view text, int width,
                      Glyphs glyphs = Glyphs::kUnicode);
// Lines of at most `width` columns; breaks at spaces where it can and at every
// newline.  Never empty.  REQUIRES: width >= 1.
std::vector<std::string> Wrap(absl::string_view text, int width);

// Control characters as escapes (\x1b, \t, \r), invalid UTF-8 as '?'; newlines
// stay.
std::string Printable(absl::string_view text);
// As Printable, newlines as \n too: one line.
std::string OneLine(absl::string_view text);

// `width` bars from the last values, scaled to their own range.
std::string Sparkline(const std::vector<double>& values, int width,
                      Glyphs glyphs);
// `fraction` in [0, 1] of `width` columns.
std::string ProgressBar(double fraction, int width, Glyphs glyphs);

}  // namespace aha::cli
