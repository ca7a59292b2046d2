#include "cli/term/screen.h"

#include <fcntl.h>
#include <pty.h>
#include <stdlib.h>
#include <termios.h>
#include <unistd.h>

#include <algorithm>
#include <map>
#include <optional>
#include <string>
#include <vector>

#include "gtest/gtest.h"

namespace aha::cli {
namespace {

// The locale of this process while a test runs, and what it was afterwards.
class ScreenTest : public ::testing::Test {
 protected:
  ScreenTest() {
    for (const char* name : {"LC_ALL", "LC_CTYPE", "LANG", "TERM"}) {
      const char* value = ::getenv(name);
      before_[name] =
          value == nullptr ? std::nullopt : std::optional<std::string>(value);
      ::unsetenv(name);
    }
  }
  ~ScreenTest() override {
    for (const auto& [name, value] : before_) {
      if (value.has_value()) {
        ::setenv(name.c_str(), value->c_str(), 1);
      } else {
        ::unsetenv(name.c_str());
      }
    }
  }
  static Glyphs With(const char* name, const char* value) {
    ::setenv(name, value, 1);
    return TerminalStyle(1).glyphs;
  }

  std::map<std::string, std::optional<std::string>> before_;
};

TEST_F(ScreenTest, TheLocaleDecidesWhatIsDrawn) {
  EXPECT_EQ(TerminalStyle(1).glyphs, Glyphs::kUnicode) << "no locale at all";
  EXPECT_EQ(With("LANG", "C"), Glyphs::kAscii);
  EXPECT_EQ(With("LANG", "POSIX"), Glyphs::kAscii);
  EXPECT_EQ(With("LANG", "de_DE.ISO-8859-1"), Glyphs::kAscii);
  EXPECT_EQ(With("LANG", "de_DE.UTF-8"), Glyphs::kUnicode);
  EXPECT_EQ(With("LC_CTYPE", "C"), Glyphs::kAscii) << "stronger than LANG";
  EXPECT_EQ(With("LC_ALL", "C.utf8"), Glyphs::kUnicode) << "the strongest";
  EXPECT_EQ(With("TERM", "linux"), Glyphs::kAscii) << "a console's font";
}

// A terminal of this test's own, and what was written to it.
class Terminal {
 public:
  Terminal() {
    const winsize size{
        .ws_row = 10, .ws_col = 60, .ws_xpixel = 0, .ws_ypixel = 0};
    EXPECT_EQ(::openpty(&master_, &slave_, nullptr, nullptr, &size), 0);
    termios raw{};
    ::tcgetattr(slave_, &raw);
    ::cfmakeraw(&raw);
    ::tcsetattr(slave_, TCSANOW, &raw);
    ::fcntl(master_, F_SETFL, O_NONBLOCK);
  }
  ~Terminal() {
    ::close(master_);
    ::close(slave_);
  }
  Terminal(const Terminal&) = delete;
  Terminal& operator=(const Terminal&) = delete;

  int fd() const { return slave_; }
  // Since the last call.
  std::string Written() const {
    std::string text;
    char buffer[4096];
    ssize_t got;
    while ((got = ::read(master_, buffer, sizeof(buffer))) > 0) {
      text.append(buffer, static_cast<size_t>(got));
    }
    return text;
  }

 private:
  int master_ = -1;
  int slave_ = -1;
};

TEST_F(ScreenTest, ABlockIsRedrawnInItsPlace) {
  ::setenv("TERM", "xterm", 1);
  const Terminal terminal;
  Screen screen(terminal.fd());
  ASSERT_TRUE(screen.terminal());
  EXPECT_EQ(screen.style().width, 60);
  screen.Draw({"one", "two"});
  EXPECT_EQ(terminal.Written(), "\x1b[?7lone\ntwo\n\x1b[?7h");
  screen.Draw({"three"});
  EXPECT_EQ(terminal.Written(), "\x1b[2A\r\x1b[J\x1b[?7lthree\n\x1b[?7h");
}

TEST_F(ScreenTest, ALineStaysAboveTheBlock) {
  ::setenv("TERM", "xterm", 1);
  const Terminal terminal;
  Screen screen(terminal.fd());
  screen.Print("before");
  EXPECT_EQ(terminal.Written(), "before\n");
  screen.Draw({"block"});
  (void)terminal.Written();
  screen.Print("line");
  EXPECT_EQ(terminal.Written(), "\x1b[1A\r\x1b[Jline\n\x1b[?7lblock\n\x1b[?7h")
      << "a line of the block takes one row, also where the window shrank";
  screen.Leave();
  screen.Draw({"below"});
  EXPECT_EQ(terminal.Written(), "\x1b[?7lbelow\n\x1b[?7h");
}

TEST_F(ScreenTest, ABlockIsNoHigherThanTheWindow) {
  ::setenv("TERM", "xterm", 1);
  const Terminal terminal;
  Screen screen(terminal.fd());
  screen.Draw(std::vector<std::string>(100, "x"));
  const std::string text = terminal.Written();
  EXPECT_EQ(std::count(text.begin(), text.end(), '\n'), 9);
}

TEST_F(ScreenTest, AFileGetsLinesOnlyAndNoEscapes) {
  ::setenv("TERM", "xterm", 1);
  int pipe[2];
  ASSERT_EQ(::pipe(pipe), 0);
  Screen screen(pipe[1]);
  EXPECT_FALSE(screen.terminal());
  EXPECT_FALSE(screen.style().color);
  screen.Draw({"block"});
  screen.Print("line");
  char buffer[64];
  const ssize_t got = ::read(pipe[0], buffer, sizeof(buffer));
  EXPECT_EQ(std::string(buffer, static_cast<size_t>(got)), "line\n");
  ::close(pipe[0]);
  ::close(pipe[1]);
}

TEST_F(ScreenTest, ADumbTerminalIsNotDrawnOn) {
  const Terminal terminal;
  ::setenv("TERM", "dumb", 1);
  EXPECT_FALSE(Screen(terminal.fd()).terminal());
  ::unsetenv("TERM");
  EXPECT_FALSE(Screen(terminal.fd()).terminal());
}

}  // namespace
}  // namespace aha::cli
