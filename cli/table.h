// Rows under a header, as wide as their content, cut to the terminal.
#pragma once

#include <string>
#include <vector>

namespace aha::cli {

class Table {
 public:
  // Header names are upper case and without spaces, so that awk can pick.
  explicit Table(std::vector<std::string> header)
      : header_(std::move(header)) {}

  // Missing cells are "-"; cells are made printable.
  void Row(std::vector<std::string> cells);
  // Only the last column is cut, and only if the line is wider than `width`
  // (0: never).
  std::string Text(int width = 0) const;

 private:
  std::vector<std::string> header_;
  std::vector<std::vector<std::string>> rows_;
};

}  // namespace aha::cli
