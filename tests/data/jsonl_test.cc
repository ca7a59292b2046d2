#include "data/jsonl.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <fstream>
#include <string>

#include "base/rng.h"
#include "tests/temp_dir.h"

namespace aha {
namespace {

using ::testing::HasSubstr;

std::string PromptError(const std::string& text) {
  const auto result = ParsePrompts("p.jsonl", text);
  return result.ok() ? "ok" : std::string(result.status().message());
}

TEST(JsonlTest, ReadsPrompts) {
  const auto records = ParsePrompts(
      "p.jsonl",
      "\xEF\xBB\xBF{\"prompt\": \"What?\", \"answer\": \"7\", \"id\": "
      "\"a\"}\r\n"
      "\n"
      "{\"prompt\": \"\\u00fcber\", \"answer\": 7.50, \"other\": [1]}");
  ASSERT_TRUE(records.ok()) << records.status();
  ASSERT_EQ(records->size(), 2u);
  EXPECT_EQ((*records)[0].id, "a");
  EXPECT_EQ((*records)[0].answer, "7");
  EXPECT_EQ((*records)[1].id, "line-3");
  EXPECT_EQ((*records)[1].prompt,
            "\xC3\xBC"
            "ber");
  EXPECT_EQ((*records)[1].answer, "7.5");
  EXPECT_TRUE((*records)[0].fields.empty());
  EXPECT_THAT((*records)[1].fields,
              ::testing::ElementsAre(::testing::Pair("other", "[1]")));
}

TEST(JsonlTest, ReadsDocuments) {
  const auto documents =
      ParseDocuments("d.jsonl", R"({"prompt": "1+1?", "completion": "2"})");
  ASSERT_TRUE(documents.ok()) << documents.status();
  EXPECT_EQ((*documents)[0].completion, "2");
  EXPECT_THAT(
      ParseDocuments("d.jsonl", R"({"prompt": "1+1?"})").status().ToString(),
      HasSubstr("d.jsonl:1: completion is missing"));
}

TEST(JsonlTest, NamesTheBrokenLine) {
  const std::string good = "{\"prompt\":\"a\",\"answer\":\"b\"}\n";
  EXPECT_THAT(PromptError(good + good + "{\"prompt\": \"a\""),
              HasSubstr("p.jsonl:3: not valid JSON"));
  EXPECT_THAT(PromptError(good + "\n[1]"),
              HasSubstr("p.jsonl:3: must be a JSON object, is array"));
  EXPECT_THAT(PromptError(good + "{\"prompt\":\"a\"}"),
              HasSubstr("p.jsonl:2: answer is missing"));
  EXPECT_THAT(PromptError("{\"prompt\":7,\"answer\":\"b\"}"),
              HasSubstr("p.jsonl:1: prompt must be text, is number"));
  EXPECT_THAT(PromptError("{\"prompt\":\"a\",\"answer\":null}"),
              HasSubstr("answer must be text or a number, is null"));
  EXPECT_THAT(PromptError("{\"prompt\":\" \",\"answer\":\"b\"}"),
              HasSubstr("prompt must not be empty"));
  EXPECT_THAT(PromptError("{\"prompt\":\"\xFF\",\"answer\":\"b\"}"),
              HasSubstr("p.jsonl:1: not valid JSON"));
  EXPECT_THAT(PromptError("{\"prompt\":\"a\",\"answer\":\"b\",\"id\":1}\n"
                          "{\"prompt\":\"a\",\"answer\":\"b\",\"id\":\"1\"}"),
              HasSubstr("p.jsonl:2: id must be unique, '1' came before"));
  EXPECT_EQ(PromptError("\n \n"),
            "p.jsonl: must have at least one line, is empty");
}

TEST(JsonlTest, RefusesLinesThatAreTooLong) {
  EXPECT_THAT(PromptError("{\"prompt\":\"" + std::string(1 << 20, 'a') + "\"}"),
              HasSubstr("p.jsonl:1: a line must have at most 1048576 bytes"));
}

TEST(JsonlTest, SurvivesDeepNesting) {
  const std::string deep =
      std::string(400'000, '[') + std::string(400'000, ']');
  for (const std::string& line : {std::string(500'000, '['), deep}) {
    EXPECT_THAT(PromptError(line),
                HasSubstr("p.jsonl:1: must be JSON nested at most 64 deep"));
  }
}

TEST(JsonlTest, SurvivesMutatedInput) {
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

class JsonlFileTest : public ::testing::Test {
 protected:
  const TempDir scratch_;
  const std::string& directory_ = scratch_.path();
};

TEST_F(JsonlFileTest, LoadsFilesAndNamesThemInErrors) {
  const std::string path = directory_ + "/p.jsonl";
  std::ofstream(path) << "{\"prompt\":\"a\",\"answer\":\"b\"}\n{";
  EXPECT_THAT(LoadPrompts(path).status().ToString(),
              HasSubstr(path + ":2: not valid JSON"));
  EXPECT_EQ(LoadPrompts(directory_ + "/none").status().code(),
            absl::StatusCode::kNotFound);
  EXPECT_THAT(LoadPrompts(directory_).status().ToString(),
              HasSubstr("not a regular file"));
  EXPECT_EQ(LoadDocuments(directory_ + "/none").status().code(),
            absl::StatusCode::kNotFound);
}

}  // namespace
}  // namespace aha
