// A table of text: rows under a header, with columns as wide as their content.
#pragma once

#include <string>
#include <utility>
#include <vector>

#include "cli/term/style.h"

namespace aha::cli {

class Table {
 public:
  // Header names are upper case and have no spaces, so that awk finds columns.
  explicit Table(std::vector<std::string> header)
      : header_(std::move(header)) {}

  // A missing or empty cell is shown as "-".  Control characters are escaped.
  void Row(std::vector<std::string> cells);
  std::string Text() const;
  // The same within style.width columns: the widest columns are cut, and an
  // ellipsis says where.  Nothing is cut below eight columns.
  std::string Fit(const Style& style) const;

 private:
  std::vector<int> Widths() const;
  std::string Lay(const std::vector<int>& widths, Glyphs glyphs) const;

  std::vector<std::string> header_;
  std::vector<std::vector<std::string>> rows_;
};

// For stdout: the whole table, or as much of it as the terminal is wide.
std::string ForOutput(const Table& table);

}  // namespace aha::cli
