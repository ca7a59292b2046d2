// Text for terminals: durations, counts, columns, bars and sparklines.
//
// Text that a model wrote or that stands in a file passes through Printable()
// or OneLine() before it reaches a terminal, so that no completion can move the
// cursor.  Pure functions.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "absl/strings/string_view.h"

namespace aha::cli {

// Which characters the terminal can show.
enum class Glyphs { kUnicode, kAscii };

// "850 ms", "4.2 s", "48 s", "3m 07s", "2h 05m", "3d 04h"; "?" for a number
// that cannot be a duration.
std::string FormatSeconds(double seconds);
// "12,345".
std::string FormatCount(uint64_t count);
// "812 B", "3.4 MiB", "1.2 GiB".
std::string FormatBytes(uint64_t bytes);
// "48.3 %" from 0.483.
std::string FormatPercent(double fraction);

// Columns that `text` (UTF-8) takes: 2 for a wide character, 0 for a combining
// mark, 1 for each part that is not UTF-8 (base/text.h).
int DisplayWidth(absl::string_view text);
// Exactly `width` columns: padded with spaces, or cut with an ellipsis.
std::string PadRight(absl::string_view text, int width,
                     Glyphs glyphs = Glyphs::kUnicode);
std::string PadLeft(absl::string_view text, int width,
                    Glyphs glyphs = Glyphs::kUnicode);
// At most `width` columns; a text that is cut ends in an ellipsis.
std::string Ellipsize(absl::string_view text, int width,
                      Glyphs glyphs = Glyphs::kUnicode);
// Lines of at most `width` columns; breaks at spaces where it can and at every
// newline.  Never empty.  REQUIRES: width >= 1.
std::vector<std::string> Wrap(absl::string_view text, int width);

// Control characters become escapes (\x1b, \t, \r) and bytes that are not
// UTF-8 become '?'; newlines stay.
std::string Printable(absl::string_view text);
// The same, and newlines become \n, so that the result is one line.
std::string OneLine(absl::string_view text);

// A word of a shell command, in quotes if it needs them.
std::string ShellQuote(absl::string_view word);

// At most `width` bars, scaled to the range of `values`.  A bar is the mean of
// its share of the values.
std::string Sparkline(const std::vector<double>& values, int width,
                      Glyphs glyphs);
// `width` columns, of which `fraction` (0 to 1) is filled.
std::string ProgressBar(double fraction, int width, Glyphs glyphs);

}  // namespace aha::cli
