// Data files become prompts and documents, and every error names its line.
#include "data/prompt_file.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <filesystem>
#include <fstream>
#include <string>

#include "base/rng.h"
#include "tests/temp_dir.h"

namespace aha {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::Pair;

std::string PromptError(const std::string& text) {
  const auto result = ParsePrompts("p.jsonl", text, {});
  return result.ok() ? "ok" : std::string(result.status().message());
}

TEST(PromptFileTest, ReadsPrompts) {
  const auto table = ParsePrompts(
      "p.jsonl",
      "{\"prompt\": \"What?\", \"answer\": \"7\", \"id\": \"a\"}\r\n"
      "\n"
      "{\"prompt\": \"\\u00fcber\", \"answer\": 7.50, \"other\": [1]}",
      {});
  ASSERT_TRUE(table.ok()) << table.status();
  const auto& records = table->records;
  ASSERT_EQ(records.size(), 2u);
  EXPECT_EQ(records[0].id, "a");
  EXPECT_EQ(records[0].answer, "7");
  EXPECT_EQ(records[1].id, "line-3");
  EXPECT_EQ(records[1].place, "p.jsonl:3");
  EXPECT_EQ(records[1].prompt,
            "\xC3\xBC"
            "ber");
  EXPECT_EQ(records[1].answer, "7.5");
  EXPECT_TRUE(records[0].fields.empty());
  EXPECT_THAT(records[1].fields, ElementsAre(Pair("other", "[1]")));
}

TEST(PromptFileTest, NamesTheBrokenRow) {
  const std::string good = "{\"prompt\":\"a\",\"answer\":\"b\"}\n";
  EXPECT_THAT(PromptError(good + good + "{\"prompt\": \"a\""),
              HasSubstr("p.jsonl:3: not valid JSON"));
  EXPECT_THAT(PromptError(good + "\n{\"prompt\":\"a\"}"),
              HasSubstr("p.jsonl:3: answer is missing; the row has prompt"));
  EXPECT_THAT(PromptError("{\"prompt\":\"a\",\"answer\":\"b\",\"id\":1}\n"
                          "{\"prompt\":\"a\",\"answer\":\"b\",\"id\":\"1\"}"),
              HasSubstr("p.jsonl:2: id must be unique, '1' came before"));
  EXPECT_EQ(PromptError("\n \n"),
            "p.jsonl: must have at least one row, is empty");
  EXPECT_EQ(
      ParsePrompts("p.csv", "prompt,answer\n1,2\n3,\n", {}).status().message(),
      "p.csv:3: row 2: answer must not be empty");
}

TEST(PromptFileTest, BadRowsAreCountedByTheirCauseIfTheyMayBeSkipped) {
  PromptFileOptions options;
  options.skip_bad_rows = true;
  const auto table =
      ParsePrompts("p.jsonl",
                   "{\"prompt\":\"a\",\"answer\":\"b\",\"id\":1}\n"
                   "{\n"
                   "{\"prompt\":\"a\",\"answer\":\"\"}\n"
                   "{\"prompt\":\"\",\"answer\":\"b\"}\n"
                   "{\"prompt\":\"a\"}\n"
                   "{\"prompt\":\"a\",\"answer\":\"b\",\"id\":1}\n",
                   options);
  ASSERT_TRUE(table.ok()) << table.status();
  EXPECT_EQ(table->records.size(), 1u);
  EXPECT_EQ(table->report.rows, 6u);
  EXPECT_EQ(table->report.skipped_rows(), 5u);
  EXPECT_EQ(table->report.skipped.at("malformed").count, 1u);
  EXPECT_EQ(table->report.skipped.at("answer").count, 2u);
  EXPECT_EQ(table->report.skipped.at("answer").first,
            "p.jsonl:3: answer must not be empty");
  EXPECT_EQ(table->report.skipped.at("prompt").count, 1u);
  EXPECT_EQ(table->report.skipped.at("id").count, 1u);
  EXPECT_THAT(ParsePrompts("p.jsonl", "{\n", options).status().ToString(),
              HasSubstr("all 1 were skipped, the first for: p.jsonl:1: not"));
}

TEST(PromptFileTest, AFileThatEndsEarlyIsAnErrorAlsoIfRowsMayBeSkipped) {
  PromptFileOptions options;
  options.skip_bad_rows = true;
  EXPECT_THAT(
      ParsePrompts("p.json", "[{\"prompt\":\"a\",\"answer\":1},", options)
          .status()
          .ToString(),
      HasSubstr("p.json: an array of JSON objects must end with"));
}

TEST(PromptFileTest, SurvivesMutatedInput) {
  const std::string good =
      "{\"prompt\": \"a \\u1234 b\", \"answer\": \"7\", \"id\": \"x\"}\n";
  const RandomKey key(1, RandomPurpose::kTest);
  int refused = 0;
  for (uint32_t i = 0; i < 3000; ++i) {
    std::string text = good + good;
    for (uint32_t j = 0; j < 3; ++j) {
      const uint64_t draw = 8 * i + 2 * j;
      text[key.Below(draw, static_cast<uint32_t>(text.size()))] =
          static_cast<char>(key.Below(draw + 1, 256));
    }
    refused += PromptError(text) != "ok";
  }
  EXPECT_GT(refused, 2900);  // Otherwise the mutation only changed the ids.
}

TEST(DocumentFileTest, ReadsDocuments) {
  const auto documents =
      ParseDocuments("d.jsonl", R"({"prompt": "1+1?", "completion": "2"})");
  ASSERT_TRUE(documents.ok()) << documents.status();
  EXPECT_EQ((*documents)[0].completion, "2");
  EXPECT_EQ((*ParseDocuments("d.csv", "prompt,completion\n1,2\n"))[0].prompt,
            "1");
  EXPECT_THAT(
      ParseDocuments("d.jsonl", R"({"prompt": "1+1?"})").status().ToString(),
      HasSubstr("d.jsonl:1: completion is missing"));
}

class DataDirectoryTest : public ::testing::Test {
 protected:
  std::string Write(const std::string& name, const std::string& text) {
    const std::string path = scratch_.path() + "/" + name;
    std::filesystem::create_directories(
        std::filesystem::path(path).parent_path());
    std::ofstream(path) << text;
    return path;
  }
  absl::StatusOr<PromptTable> Load(const std::vector<std::string>& paths) {
    PromptFileOptions options;
    options.paths = paths;
    return LoadPrompts(options);
  }

  const TempDir scratch_;
};

TEST_F(DataDirectoryTest, LoadsFilesAndNamesThemInErrors) {
  const std::string path =
      Write("p.jsonl", "{\"prompt\":\"a\",\"answer\":\"b\"}\n{");
  EXPECT_THAT(Load({path}).status().ToString(),
              HasSubstr(path + ":2: not valid JSON"));
  EXPECT_EQ(Load({path + ".none"}).status().code(),
            absl::StatusCode::kNotFound);
  EXPECT_EQ(LoadDocuments(path + ".none").status().code(),
            absl::StatusCode::kNotFound);
  EXPECT_THAT(Load({Write("x.parquet", "PAR1")}).status().ToString(),
              HasSubstr("x.parquet: Parquet and Arrow files are not read"));
}

TEST_F(DataDirectoryTest, ADirectoryIsReadByNameWithoutWhatIsNoData) {
  Write("d/b.csv", "question,answer\nthird,3\n");
  Write("d/a.jsonl",
        "{\"prompt\":\"first\",\"answer\":1}\n"
        "{\"prompt\":\"second\",\"answer\":2,\"id\":\"x\"}\n");
  Write("d/README.md", "about");
  Write("d/.hidden.jsonl", "{");
  Write("d/sub/c.jsonl", "{");
  const auto table = Load({scratch_.path() + "/d"});
  ASSERT_TRUE(table.ok()) << table.status();
  ASSERT_EQ(table->records.size(), 3u);
  EXPECT_EQ(table->records[0].prompt, "first");
  EXPECT_EQ(table->records[2].prompt, "third");
  EXPECT_EQ(table->records[0].id, "a.jsonl:line-1");
  EXPECT_EQ(table->records[2].id, "b.csv:row-1");
  EXPECT_EQ(table->report.rows, 3u);
}

TEST_F(DataDirectoryTest, FilesOfAListMayHaveTheSameNameAndTheSameIds) {
  const std::string row = "{\"prompt\":\"p\",\"answer\":1,\"id\":1}";
  const std::string one = Write("one/p.jsonl", row);
  const std::string two = Write("two/p.jsonl", row);
  const auto table = Load({one, two});
  ASSERT_TRUE(table.ok()) << table.status();
  EXPECT_EQ(table->records[0].id, one + ":1");
  EXPECT_EQ(table->records[1].id, two + ":1");
}

TEST_F(DataDirectoryTest, ADirectoryWithoutDataIsRefused) {
  Write("d/README.md", "about");
  EXPECT_THAT(Load({scratch_.path() + "/d"}).status().ToString(),
              HasSubstr("has no file with the extension of a data format"));
}

}  // namespace
}  // namespace aha
