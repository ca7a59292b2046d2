#include "cli/term/table.h"

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

TEST(TableTest, ACellStaysOnItsLine) {
  Table table({"A"});
  table.Row({"x\ny\x1b[2J"});
  EXPECT_EQ(table.Text(), "A\nx\\ny\\x1b[2J\n");
}

}  // namespace
}  // namespace aha::cli
