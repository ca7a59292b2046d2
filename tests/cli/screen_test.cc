#include "cli/term/screen.h"

#include <stdlib.h>

#include <map>
#include <optional>
#include <string>

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

}  // namespace
}  // namespace aha::cli
