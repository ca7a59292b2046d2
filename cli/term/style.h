// What a terminal, or a file in its place, can show.
#pragma once

#include "cli/term/text.h"

namespace aha::cli {

struct Style {
  int width = 80;  // Columns.
  bool color = false;
  Glyphs glyphs = Glyphs::kUnicode;
};

// Returns the style for what is written to `fd`; NO_COLOR, TERM, COLUMNS and
// the locale are respected.
Style TerminalStyle(int fd);

}  // namespace aha::cli
