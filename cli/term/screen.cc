#include "cli/term/screen.h"

#include <sys/ioctl.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstdlib>

#include "absl/strings/ascii.h"
#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"

namespace aha::cli {
namespace {

std::string Variable(const char* name) {
  const char* value = std::getenv(name);
  return value == nullptr ? "" : value;
}

// Without any locale, as in a bare container, nothing is known of the
// terminal, and nearly every terminal of today understands UTF-8.
Glyphs LocaleGlyphs() {
  if (Variable("TERM") == "linux") return Glyphs::kAscii;
  for (const char* name : {"LC_ALL", "LC_CTYPE", "LANG"}) {
    const std::string locale = Variable(name);
    if (locale.empty()) continue;
    const std::string lower = absl::AsciiStrToLower(locale);
    const bool utf8 =
        absl::StrContains(lower, "utf-8") || absl::StrContains(lower, "utf8");
    return utf8 ? Glyphs::kUnicode : Glyphs::kAscii;
  }
  return Glyphs::kUnicode;
}

struct Size {
  int columns = 80;
  int rows = 24;
};

Size WindowSize(int fd) {
  winsize window{};
  if (::ioctl(fd, TIOCGWINSZ, &window) == 0 && window.ws_col > 0) {
    return {window.ws_col, window.ws_row > 0 ? window.ws_row : 24};
  }
  const int columns = std::atoi(Variable("COLUMNS").c_str());
  return {columns >= 20 && columns <= 1000 ? columns : 80, 24};
}

// Wrapping is switched off, since a line that takes two rows could not be
// erased again.
std::string BlockText(const std::vector<std::string>& lines) {
  std::string text = "\x1b[?7l";
  for (const std::string& line : lines) absl::StrAppend(&text, line, "\n");
  return absl::StrCat(text, "\x1b[?7h");
}

}  // namespace

Style TerminalStyle(int fd) {
  Style style;
  style.width = std::max(40, WindowSize(fd).columns);
  const std::string term = Variable("TERM");
  style.color =
      ::isatty(fd) == 1 && Variable("NO_COLOR").empty() && term != "dumb";
  style.glyphs = LocaleGlyphs();
  return style;
}

Screen::Screen(int fd) : fd_(fd) {
  const std::string term = Variable("TERM");
  terminal_ = ::isatty(fd) == 1 && term != "dumb" && !term.empty();
}

Style Screen::style() const { return TerminalStyle(fd_); }

std::string Screen::Erase() const {
  if (drawn_ == 0) return "";
  return absl::StrCat("\x1b[", drawn_, "A\r\x1b[J");
}

void Screen::Write(const std::string& text) const {
  size_t at = 0;
  while (at < text.size()) {
    const ssize_t written = ::write(fd_, text.data() + at, text.size() - at);
    if (written < 0 && errno == EINTR) continue;
    if (written <= 0) return;  // The terminal is gone; nothing depends on it.
    at += static_cast<size_t>(written);
  }
}

void Screen::Draw(std::vector<std::string> lines) {
  if (!terminal_) return;
  // A block that is higher than the window could not be erased again.
  const auto most = static_cast<size_t>(std::max(4, WindowSize(fd_).rows - 1));
  if (lines.size() > most) lines.resize(most);
  Write(absl::StrCat(Erase(), BlockText(lines)));
  drawn_ = lines.size();
  block_ = std::move(lines);
}

void Screen::Print(const std::string& line) {
  std::string text = absl::StrCat(Erase(), line, "\n");
  if (drawn_ > 0) text += BlockText(block_);
  Write(text);
}

}  // namespace aha::cli
