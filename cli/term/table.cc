#include "cli/term/table.h"

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

std::string Table::Text() const {
  std::vector<int> widths;
  for (size_t c = 0; c < header_.size(); ++c) {
    int widest = DisplayWidth(header_[c]);
    for (const auto& row : rows_) {
      widest = std::max(widest, DisplayWidth(row[c]));
    }
    widths.push_back(widest);
  }
  std::string text;
  const auto add = [&](const std::vector<std::string>& row) {
    std::string line;
    for (size_t c = 0; c < row.size(); ++c) {
      if (c + 1 < row.size()) {
        absl::StrAppend(&line, PadRight(row[c], widths[c]), "  ");
      } else {
        line += row[c];
      }
    }
    absl::StrAppend(&text, absl::StripTrailingAsciiWhitespace(line), "\n");
  };
  add(header_);
  for (const auto& row : rows_) add(row);
  return text;
}

}  // namespace aha::cli
