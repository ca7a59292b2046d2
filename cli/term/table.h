// Rows under a header, as wide as their content.
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
  std::string Text() const;

 private:
  std::vector<std::string> header_;
  std::vector<std::vector<std::string>> rows_;
};

}  // namespace aha::cli
