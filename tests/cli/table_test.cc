#include "cli/term/table.h"

#include <string>
#include <vector>

#include "absl/strings/str_split.h"
#include "cli/term/text.h"
#include "gtest/gtest.h"

namespace aha::cli {
namespace {

TEST(TableTest, ColumnsAreAsWideAsTheirContent) {
  Table table({"NAME", "N"});
  table.Row({"a", "100"});
  table.Row({"longer", "2"});
  EXPECT_EQ(table.Text(),
            "NAME    N\n"
            "a       100\n"
            "longer  2\n");
}

TEST(TableTest, WidthIsCountedInColumnsOfTheTerminal) {
  Table table({"A", "B"});
  table.Row({"漢字", "x"});
  table.Row({"abcd", "y"});
  EXPECT_EQ(table.Text(), "A     B\n漢字  x\nabcd  y\n");
}

TEST(TableTest, WhatIsMissingIsADashSoThatColumnsCanBeCounted) {
  Table table({"A", "B", "C"});
  table.Row({"1", ""});
  EXPECT_EQ(table.Text(), "A  B  C\n1  -  -\n");
}

TEST(TableTest, InANarrowWindowTheWidestColumnsAreCut) {
  Table table({"NAME", "CHECKSUM"});
  table.Row({"quickstart", "0123456789abcdef0123456789abcdef"});
  const Style style{.width = 28, .glyphs = Glyphs::kAscii};
  EXPECT_EQ(table.Fit(style),
            "NAME        CHECKSUM\n"
            "quickstart  0123456789abcde~\n");
  EXPECT_EQ(table.Fit({.width = 200}), table.Text());
  for (const absl::string_view line : absl::StrSplit(
           table.Fit({.width = 24, .glyphs = Glyphs::kAscii}), '\n')) {
    EXPECT_LE(DisplayWidth(line), 24) << line;
  }
}

TEST(TableTest, WithoutRowsThereIsTheHeader) {
  EXPECT_EQ(Table({"NAME", "N"}).Text(), "NAME  N\n");
}

TEST(TableTest, CellsBeyondTheHeaderAreLeftOut) {
  Table table({"A"});
  table.Row({"1", "2", "3"});
  EXPECT_EQ(table.Text(), "A\n1\n");
}

// Two columns of wide characters and one of combining marks: the last column
// begins below its name in each row.
TEST(TableTest, TheLastColumnStandsInOneLineWhateverIsBeforeIt) {
  Table table({"NAME", "WHO", "END"});
  for (const char* name :
       {"a", "漢字漢字", "e\xCC\x81te\xCC\x81", "\xFF", "\t"}) {
    table.Row({name, name, "|"});
  }
  const std::string text = table.Text();
  std::vector<std::string> lines = absl::StrSplit(text, '\n');
  const int at = DisplayWidth(lines[0].substr(0, lines[0].find("END")));
  for (size_t i = 1; i + 1 < lines.size(); ++i) {
    EXPECT_EQ(DisplayWidth(lines[i].substr(0, lines[i].find('|'))), at)
        << lines[i];
  }
}

TEST(TableTest, ALineEndsWithItsLastLetter) {
  Table table({"A", "B"});
  table.Row({"1", " "});
  table.Row({"2", "longer"});
  EXPECT_EQ(table.Text(), "A  B\n1\n2  longer\n");
}

TEST(TableTest, ACellStaysOnItsLine) {
  Table table({"A"});
  table.Row({"x\ny\x1b[2J"});
  EXPECT_EQ(table.Text(), "A\nx\\ny\\x1b[2J\n");
}

}  // namespace
}  // namespace aha::cli
