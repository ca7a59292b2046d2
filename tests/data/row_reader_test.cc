// Rows come out of every format alike, and a broken one is named and does not
// hide the others.
#include "data/row_reader.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <fstream>
#include <string>
#include <vector>

#include "absl/strings/str_cat.h"
#include "tests/temp_dir.h"

namespace aha {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::StartsWith;

// A line for each row, "PLACE VALUE" or "PLACE error: ...", and for what ends
// the file early.
std::vector<std::string> Read(const std::string& name,
                              const std::string& bytes) {
  std::vector<std::string> out;
  auto reader = OpenRowsOf(bytes, name);
  if (!reader.ok()) return {absl::StrCat("end: ", reader.status().message())};
  while (true) {
    const auto row = (*reader)->Next();
    if (!row.ok()) {
      out.push_back(absl::StrCat("end: ", row.status().message()));
      return out;
    }
    if (!row->has_value()) return out;
    const auto& value = (*row)->value;
    out.push_back(absl::StrCat(
        (*row)->place, " ",
        value.ok() ? value->dump()
                   : absl::StrCat("error: ", value.status().message())));
  }
}

TEST(JsonLinesTest, EachLineIsARowAndBlankLinesAreNone) {
  EXPECT_THAT(Read("a.jsonl", "\xEF\xBB\xBF{\"a\":1}\r\n \n{\"b\":[2]}"),
              ElementsAre(R"(:1 {"a":1})", R"(:3 {"b":[2]})"));
}

TEST(JsonLinesTest, ABrokenLineIsNamedAndTheNextOneIsRead) {
  EXPECT_THAT(Read("a.jsonl", "{\"a\":\n{\"a\":\"\xFF\"}\n[1]\n{\"b\":2}\n"),
              ElementsAre(StartsWith(":1 error: not valid JSON"),
                          StartsWith(":2 error: not valid JSON"),
                          ":3 error: must be a JSON object, is array",
                          R"(:4 {"b":2})"));
}

TEST(JsonLinesTest, ALineThatIsTooLongIsPassedOver) {
  const std::string line = "{\"a\":\"" + std::string(3 << 20, 'x') + "\"}\n";
  EXPECT_THAT(Read("a.jsonl", line + "{\"b\":2}"),
              ElementsAre(":1 error: a line must have at most 1048576 bytes",
                          R"(:2 {"b":2})"));
}

TEST(JsonLinesTest, DeepNestingIsRefused) {
  const std::string deep =
      "{\"a\":" + std::string(400'000, '[') + std::string(400'000, ']') + "}";
  EXPECT_THAT(Read("a.jsonl", deep),
              ElementsAre(HasSubstr("must be JSON nested at most 64 deep")));
}

TEST(JsonArrayTest, TheObjectsOfAnArrayAreRows) {
  EXPECT_THAT(
      Read("a.json", "[ {\"a\": \"},[\\\"\"},\n {\"b\": {\"c\": [1, 2]}} ]\n"),
      ElementsAre(R"(:1: row 1 {"a":"},[\""})",
                  R"(:2: row 2 {"b":{"c":[1,2]}})"));
  EXPECT_THAT(Read("a.json", " [ ] "), ElementsAre());
}

TEST(JsonArrayTest, JsonOfSeveralLinesIsReadByItsFirstCharacter) {
  EXPECT_THAT(Read("a.json", "{\"a\":1}\n{\"a\":2}\n"),
              ElementsAre(R"(:1 {"a":1})", R"(:2 {"a":2})"));
}

TEST(JsonArrayTest, ABrokenElementIsNamedAndTheNextOneIsRead) {
  EXPECT_THAT(Read("a.json", "[{\"a\":x},\n7,\n{\"b\":2}]"),
              ElementsAre(StartsWith(":1: row 1 error: not valid JSON"),
                          ":2: row 2 error: must be a JSON object, is number",
                          R"(:3: row 3 {"b":2})"));
}

TEST(JsonArrayTest, AnArrayThatDoesNotEndIsAnErrorOfTheFile) {
  EXPECT_THAT(Read("a.json", "[{\"a\":1},\n{\"a\":\"x"),
              ElementsAre(R"(:1: row 1 {"a":1})",
                          HasSubstr("must end with ']'; row 2, which begins in "
                                    "line 2, does not end")));
  EXPECT_THAT(Read("a.json", "[{}] 7"),
              ElementsAre(":1: row 1 {}", HasSubstr("more comes behind")));
  const std::string huge = "[" + std::string(3 << 20, '[');
  EXPECT_THAT(Read("a.json", huge), ElementsAre(HasSubstr("must end with")));
}

TEST(CsvTest, CellsAreReadAsRfc4180HasThem) {
  EXPECT_THAT(
      Read("a.csv",
           "\xEF\xBB\xBFq,a\r\n\"1, \"\"2\"\"\nthird\",7\r\n5\"6,\r\n\r\nx,y"),
      ElementsAre(R"(:2: row 1 {"a":"7","q":"1, \"2\"\nthird"})",
                  R"(:4: row 2 {"a":"","q":"5\"6"})",
                  R"(:6: row 3 {"a":"y","q":"x"})"));
}

TEST(CsvTest, ABrokenRecordIsNamedAndTheNextOneIsRead) {
  EXPECT_THAT(
      Read("a.csv", "q,a\n1\n\"x\"y,2\n\xFF,3\n" + std::string(2 << 20, 'z') +
                        ",4\n5,6\n"),
      ElementsAre(":2: row 1 error: must have as many cells as there are "
                  "columns (2), has 1",
                  StartsWith(":3: row 2 error: must have a comma or the end of "
                             "the line behind the closing quote"),
                  ":4: row 3 error: q must be UTF-8",
                  ":5: row 4 error: a row must have at most 1048576 bytes",
                  R"(:6: row 5 {"a":"6","q":"5"})"));
}

TEST(CsvTest, AQuoteThatIsNeverClosedIsNamedByItsLine) {
  EXPECT_THAT(Read("a.csv", "q\na\n\"b\nc\n"),
              ElementsAre(R"(:2: row 1 {"q":"a"})",
                          ":3: row 2 error: must close the quote that opens a "
                          "cell in line 3"));
}

TEST(CsvTest, AHeaderThatNamesAColumnTwiceIsRefused) {
  EXPECT_THAT(Read("a.csv", "q,q\n1,2\n"),
              ElementsAre("end: the names of columns must differ, 'q' comes "
                          "twice"));
  EXPECT_THAT(Read("a.csv", ""), ElementsAre());
}

TEST(RowFormatTest, WhatIsNoDataIsRefusedWithWhatToDo) {
  EXPECT_THAT(Read("a.parquet", "PAR1...."),
              ElementsAre(HasSubstr("pandas.read_parquet")));
  EXPECT_THAT(Read("a", "PAR1...."), ElementsAre(HasSubstr("to_json")));
  EXPECT_THAT(Read("a.jsonl", "version https://git-lfs.github.com/spec/v1\n"),
              ElementsAre(HasSubstr("git lfs pull")));
  EXPECT_THAT(Read("a.xlsx", "PK\x03\x04...."),
              ElementsAre(HasSubstr("save it as CSV")));
  EXPECT_THAT(Read("a.csv", std::string("\xFF\xFEq\0", 4)),
              ElementsAre(HasSubstr("UTF-16")));
  EXPECT_THAT(Read("notes.txt", "hello"),
              ElementsAre(HasSubstr("must be of a known format (JSON Lines: "
                                    ".jsonl .ndjson")));
  EXPECT_THAT(Read("rows.txt", "{\"a\":1}"), ElementsAre(R"(:1 {"a":1})"));
}

TEST(RowFormatTest, OnlyFilesOfAFormatAreDataOfADirectory) {
  EXPECT_TRUE(HasDataExtension("Train.JSONL.gz"));
  EXPECT_TRUE(HasDataExtension("a.csv.zst"));
  EXPECT_TRUE(HasDataExtension("a.parquet"));
  EXPECT_FALSE(HasDataExtension("README.md"));
  EXPECT_FALSE(HasDataExtension("LICENSE"));
}

TEST(RowFormatTest, ThereIsALimitForAllFilesTogether) {
  const TempDir scratch;
  const std::string path = scratch.path() + "/a.jsonl";
  std::ofstream(path) << "{\"a\":1}\n";
  uint64_t bytes = 0;
  for (int i = 0; i < 2; ++i) {
    auto reader = OpenRows(path, 16, &bytes);
    ASSERT_TRUE(reader.ok()) << reader.status();
    EXPECT_TRUE((*reader)->Next().ok());
  }
  EXPECT_EQ(bytes, 16u);
  EXPECT_THAT(OpenRows(path, 16, &bytes).status().ToString(),
              HasSubstr("must have at most 0 bytes"));
}

}  // namespace
}  // namespace aha
