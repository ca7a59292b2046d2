// A table of text: rows under a header, with columns as wide as their content.
#pragma once

#include <string>
#include <utility>
#include <vector>

namespace aha::cli {

class Table {
 public:
  // Header names are upper case and have no spaces, so that awk finds columns.
  explicit Table(std::vector<std::string> header)
      : header_(std::move(header)) {}

  // A missing or empty cell is shown as "-".  Control characters are escaped.
  void Row(std::vector<std::string> cells);
  std::string Text() const;

 private:
  std::vector<std::string> header_;
  std::vector<std::vector<std::string>> rows_;
};

}  // namespace aha::cli
