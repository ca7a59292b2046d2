// Shows progress: a block of lines that is redrawn in place on a terminal, or
// plain lines in a file or a pipe.
//
// A block is drawn by one write, so a terminal never shows a part of a frame.
// Owned by one thread.
#pragma once

#include <string>
#include <vector>

#include "cli/term/style.h"

namespace aha::cli {

class Screen {
 public:
  // `fd` is not owned.
  explicit Screen(int fd);

  // Whether Draw does anything.
  bool terminal() const { return terminal_; }
  // Width and height are asked for each time, since a window can change.
  Style style() const;

  // Replaces the block that was drawn before.
  void Draw(std::vector<std::string> lines);
  // Writes a line that stays, above the block.
  void Print(const std::string& line);
  // Keeps the block; the next Draw begins below it.
  void Leave() { drawn_ = 0; }

 private:
  std::string Erase() const;
  void Write(const std::string& text) const;

  const int fd_;
  bool terminal_ = false;
  size_t drawn_ = 0;  // Lines of the block that are on the screen.
  std::vector<std::string> block_;
};

}  // namespace aha::cli
