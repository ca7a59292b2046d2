#include "cli/term/text.h"

#include <cmath>
#include <string>

#include "gmock/gmock.h"
#include "gtest/gtest.h"

namespace aha::cli {
namespace {

using ::testing::ElementsAre;

TEST(TextTest, DurationsReadLikeAPersonWritesThem) {
  EXPECT_EQ(FormatSeconds(0), "0 ms");
  EXPECT_EQ(FormatSeconds(0.85), "850 ms");
  EXPECT_EQ(FormatSeconds(0.9996), "1.0 s");
  EXPECT_EQ(FormatSeconds(4.24), "4.2 s");
  EXPECT_EQ(FormatSeconds(9.96), "10 s");
  EXPECT_EQ(FormatSeconds(59.6), "1m 00s");
  EXPECT_EQ(FormatSeconds(187), "3m 07s");
  EXPECT_EQ(FormatSeconds(7512), "2h 05m");
  EXPECT_EQ(FormatSeconds(3 * 86400 + 4 * 3600), "3d 04h");
  EXPECT_EQ(FormatSeconds(-1), "?");
  EXPECT_EQ(FormatSeconds(NAN), "?");
}

TEST(TextTest, CountsAndBytesAreGrouped) {
  EXPECT_EQ(FormatCount(0), "0");
  EXPECT_EQ(FormatCount(999), "999");
  EXPECT_EQ(FormatCount(1234567), "1,234,567");
  EXPECT_EQ(FormatBytes(812), "812 B");
  EXPECT_EQ(FormatBytes(3565158), "3.4 MiB");
  EXPECT_EQ(FormatBytes(uint64_t{1} << 50), "1024.0 TiB");
  EXPECT_EQ(FormatPercent(0.4834), "48.3 %");
}

TEST(TextTest, WidthCountsColumnsNotBytes) {
  EXPECT_EQ(DisplayWidth("abc"), 3);
  EXPECT_EQ(DisplayWidth("äöü"), 3);
  EXPECT_EQ(DisplayWidth("漢字"), 4);
  EXPECT_EQ(DisplayWidth("e\xCC\x81"), 1);
  EXPECT_EQ(DisplayWidth("\xFF\xFE"), 2);
  EXPECT_EQ(DisplayWidth("\u1112\u1161\u11AB"), 2) << "a syllable in parts";
  EXPECT_EQ(DisplayWidth("\U0001F600"), 2);
  EXPECT_EQ(DisplayWidth("a\u200Bb"), 2);
  EXPECT_EQ(DisplayWidth("\uFF21"), 2);
}

// A sequence of bytes that could have begun one character takes one column, as
// terminals show it.
TEST(TextTest, WhatIsNotUtf8TakesAColumnForEachPart) {
  EXPECT_EQ(DisplayWidth("\xE2\x82"), 1);
  EXPECT_EQ(DisplayWidth("\xE2\x82\xE2\x82"), 2);
  EXPECT_EQ(DisplayWidth("\xED\xA0\x80"), 3);
  EXPECT_EQ(DisplayWidth(OneLine("\xE2\x82\xFF")), 2);
}

// Every width, over texts whose characters do not fit it evenly.
TEST(TextTest, PaddedTextHasExactlyItsWidth) {
  for (const char* text :
       {"", "abc", "漢字漢字", "a漢b字", "e\xCC\x81te\xCC\x81",
        "\U0001F600\U0001F600", "\xFF\xFE\xE2\x82"}) {
    for (int width = 0; width < 12; ++width) {
      for (const Glyphs glyphs : {Glyphs::kUnicode, Glyphs::kAscii}) {
        EXPECT_EQ(DisplayWidth(PadRight(text, width, glyphs)), width) << text;
        EXPECT_EQ(DisplayWidth(PadLeft(text, width, glyphs)), width) << text;
        EXPECT_LE(DisplayWidth(Ellipsize(text, width, glyphs)), width) << text;
      }
    }
  }
}

TEST(TextTest, NoWidthIsNoText) {
  EXPECT_EQ(Ellipsize("abc", 0), "");
  EXPECT_EQ(Ellipsize("abc", -5), "");
  EXPECT_EQ(PadRight("abc", -5), "");
  EXPECT_EQ(Sparkline({1, 2}, -1, Glyphs::kAscii), "");
  EXPECT_EQ(ProgressBar(0.5, -1, Glyphs::kAscii), "");
}

// Numbers come from files, too: none of them is nonsense on the screen.
TEST(TextTest, NumbersThatCannotBeAreQuestionMarks) {
  for (const double seconds : {1e300, 1e19, -1e300, double{INFINITY}}) {
    EXPECT_EQ(FormatSeconds(seconds), "?") << seconds;
  }
  EXPECT_EQ(FormatSeconds(1e9), "11574d 01h");
  EXPECT_EQ(FormatPercent(NAN), "?");
  EXPECT_EQ(FormatPercent(-INFINITY), "?");
  EXPECT_EQ(FormatBytes(~uint64_t{0}), "16777216.0 TiB");
  EXPECT_EQ(FormatCount(~uint64_t{0}), "18,446,744,073,709,551,615");
}

TEST(TextTest, UnitsOfBytesChangeWhereTheyWouldBeWritten1024) {
  EXPECT_EQ(FormatBytes(0), "0 B");
  EXPECT_EQ(FormatBytes(1023), "1023 B");
  EXPECT_EQ(FormatBytes(1024), "1.0 KiB");
  EXPECT_EQ(FormatBytes((1 << 20) - 1), "1.0 MiB");
  EXPECT_EQ(FormatBytes((1 << 30) - 1), "1.0 GiB");
}

TEST(TextTest, WrappedLinesAreNoWiderThanAskedAndLoseNoLetter) {
  const std::string text =
      "GRPO 漢字 samples  groups, e\xCC\x81tape par \U0001F600 "
      "averyveryverylong";
  std::string letters = text;
  std::erase(letters, ' ');
  for (int width = 2; width < 30; ++width) {
    std::string joined;
    for (const std::string& line : Wrap(text, width)) {
      EXPECT_LE(DisplayWidth(line), width) << line;
      joined += line;
    }
    std::erase(joined, ' ');
    EXPECT_EQ(joined, letters) << width;
  }
}

TEST(TextTest, PaddingCutsWhatIsTooLong) {
  EXPECT_EQ(PadRight("ab", 4), "ab  ");
  EXPECT_EQ(PadLeft("ab", 4), "  ab");
  EXPECT_EQ(PadRight("abcdef", 4), "abc…");
  EXPECT_EQ(PadRight("abcdef", 4, Glyphs::kAscii), "abc~");
  EXPECT_EQ(PadLeft("abcdef", 4, Glyphs::kAscii), "abc~");
  EXPECT_EQ(Ellipsize("abcdef", 4, Glyphs::kAscii), "abc~");
  EXPECT_EQ(Ellipsize("漢字漢字", 4), "漢…");
}

TEST(TextTest, WrapBreaksAtSpacesAndNewlines) {
  EXPECT_THAT(Wrap("one two three", 8), ElementsAre("one two", "three"));
  EXPECT_THAT(Wrap("a\n\nb", 8), ElementsAre("a", "", "b"));
  EXPECT_THAT(Wrap("abcdefghij", 4), ElementsAre("abcd", "efgh", "ij"));
  EXPECT_THAT(Wrap("", 4), ElementsAre(""));
  EXPECT_THAT(Wrap("漢字", 1), ElementsAre("漢", "字"));
}

TEST(TextTest, NothingThatAModelWritesReachesTheTerminalAsAnEscape) {
  EXPECT_EQ(OneLine("a\x1b[2Jb\n\tc\x7f"), "a\\x1b[2Jb\\n\\tc\\x7f");
  EXPECT_EQ(Printable("a\nb"), "a\nb");
  EXPECT_EQ(OneLine("\xC2\x9B"), "\\x9b");
  EXPECT_EQ(OneLine("\xE2\x80\xAE"), "\\u202e");
  EXPECT_EQ(OneLine("\xC0\xAF\xED\xA0\x80"), "?????");
}

TEST(TextTest, ShellWordsAreQuotedOnlyIfTheyMustBe) {
  EXPECT_EQ(ShellQuote("runs/x-1.y"), "runs/x-1.y");
  EXPECT_EQ(ShellQuote("a b"), "'a b'");
  EXPECT_EQ(ShellQuote("it's"), "'it'\\''s'");
  EXPECT_EQ(ShellQuote("a\nb'"), "$'a\\nb\\''");
  EXPECT_EQ(ShellQuote(""), "''");
}

TEST(TextTest, SparklinesScaleToTheirOwnRange) {
  EXPECT_EQ(Sparkline({0, 1, 2, 3, 4, 5, 6, 7}, 8, Glyphs::kUnicode),
            "▁▂▃▄▅▆▇█");
  EXPECT_EQ(Sparkline({5, 5, 5}, 8, Glyphs::kUnicode), "▁▁▁");
  EXPECT_EQ(Sparkline({0, 0, 8, 8}, 2, Glyphs::kAscii), "_#");
  EXPECT_EQ(Sparkline({}, 8, Glyphs::kAscii), "");
  EXPECT_EQ(DisplayWidth(Sparkline({NAN, 1, 2}, 8, Glyphs::kUnicode)), 3);
}

TEST(TextTest, BarsFillFromTheLeft) {
  EXPECT_EQ(ProgressBar(0.5, 4, Glyphs::kAscii), "##..");
  EXPECT_EQ(ProgressBar(2.0, 2, Glyphs::kAscii), "##");
  EXPECT_EQ(ProgressBar(NAN, 2, Glyphs::kAscii), "..");
  EXPECT_EQ(DisplayWidth(ProgressBar(0.37, 10, Glyphs::kUnicode)), 10);
}

}  // namespace
}  // namespace aha::cli
