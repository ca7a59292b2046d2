#include "cli/term/table.h"

#include <unistd.h>

#include <algorithm>

#include "absl/strings/str_cat.h"
#include "absl/strings/strip.h"
#include "cli/term/text.h"

namespace aha::cli {

void Table::Row(std::vector<std::string> cells) {
  cells.resize(header_.size());
  for (std::string& cell : cells) cell = cell.empty() ? "-" : OneLine(cell);
  rows_.push_back(std::move(cells));
}

std::vector<int> Table::Widths() const {
  std::vector<int> widths;
  for (size_t c = 0; c < header_.size(); ++c) {
    int widest = DisplayWidth(header_[c]);
    for (const auto& row : rows_) {
      widest = std::max(widest, DisplayWidth(row[c]));
    }
    widths.push_back(widest);
  }
  return widths;
}

std::string Table::Lay(const std::vector<int>& widths, Glyphs glyphs) const {
  std::string text;
  const auto add = [&](const std::vector<std::string>& row) {
    std::string line;
    for (size_t c = 0; c < row.size(); ++c) {
      const std::string cell = Ellipsize(row[c], widths[c], glyphs);
      if (c + 1 < row.size()) {
        absl::StrAppend(&line, PadRight(cell, widths[c]), "  ");
      } else {
        line += cell;
      }
    }
    absl::StrAppend(&text, absl::StripTrailingAsciiWhitespace(line), "\n");
  };
  add(header_);
  for (const auto& row : rows_) add(row);
  return text;
}

std::string Table::Text() const { return Lay(Widths(), Glyphs::kAscii); }

std::string Table::Fit(const Style& style) const {
  constexpr int kNarrowest = 8;
  constexpr int kGap = 2;
  std::vector<int> widths = Widths();
  int total = -kGap;
  for (const int width : widths) total += width + kGap;
  while (total > style.width) {
    const auto widest = std::max_element(widths.begin(), widths.end());
    if (widest == widths.end() || *widest <= kNarrowest) break;
    --*widest;
    --total;
  }
  return Lay(widths, style.glyphs);
}

std::string ForOutput(const Table& table) {
  return ::isatty(STDOUT_FILENO) == 1 ? table.Fit(TerminalStyle(STDOUT_FILENO))
                                      : table.Text();
}

}  // namespace aha::cli
