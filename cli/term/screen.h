// Where progress goes: a block redrawn in place on a terminal, plain lines
// anywhere else.
//
// A block is drawn by one write, so a frame is never seen half.  Owned by one
// thread.
#pragma once

#include <string>
#include <vector>

#include "cli/report/progress.h"

namespace aha::cli {

class Screen {
 public:
  // `fd` is not owned.
  explicit Screen(int fd);

  bool terminal() const { return terminal_; }
  // Width and height are asked each time: windows change.
  Style style() const;

  // Replaces the block drawn before.
  void Draw(std::vector<std::string> lines);
  // A line that stays, above the block.
  void Print(const std::string& line);
  // The block stays as it is; the next Draw begins below it.
  void Leave() { drawn_ = 0; }

 private:
  std::string Erase() const;
  void Write(const std::string& text) const;

  const int fd_;
  bool terminal_ = false;
  size_t drawn_ = 0;
  std::vector<std::string> block_;
};

// What `fd` can show: NO_COLOR, TERM and the locale decide.
Style TerminalStyle(int fd);

}  // namespace aha::cli
