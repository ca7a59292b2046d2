#include "cli/term/json.h"

#include <sys/stat.h>

#include <nlohmann/json.hpp>

#include "base/file_io.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "tests/temp_dir.h"

namespace aha::cli {
namespace {

using ::testing::HasSubstr;

TEST(JsonTest, MissingAndMistypedFieldsGiveTheFallback) {
  const Json json = {{"a", 1}, {"b", "text"}};
  EXPECT_EQ(NumberOr(json, "a", 7), 1);
  EXPECT_EQ(NumberOr(json, "b", 7), 7);
  EXPECT_EQ(NumberOr(json, "c", 7), 7);
  EXPECT_EQ(TextOr(json, "a", "x"), "x");
  EXPECT_EQ(NumberOr(Json(3), "a", 7), 7);
  EXPECT_TRUE(MemberOrNull(Json::array(), "a").is_null());
}

TEST(JsonTest, BrokenTextIsAnErrorThatNamesTheFile) {
  const TempDir dir;
  const std::string path = dir.Write("x.json", "{\"a\": ");
  const auto read = ReadJsonFile(path);
  EXPECT_EQ(read.status().code(), absl::StatusCode::kDataLoss);
  EXPECT_THAT(std::string(read.status().message()), HasSubstr("x.json"));
  EXPECT_EQ(ReadJsonFile(dir.path() + "/none").status().code(),
            absl::StatusCode::kNotFound);
}

TEST(JsonTest, AtomicWritesReplaceAndLeaveNoTemporary) {
  const TempDir dir;
  const std::string path = dir.Write("x", "old");
  ASSERT_TRUE(ReplaceFile(path, "new").ok());
  EXPECT_EQ(*ReadWholeFile(path), "new");
  EXPECT_EQ(std::distance(std::filesystem::directory_iterator(dir.path()), {}),
            1);
  EXPECT_FALSE(ReplaceFile(dir.path() + "/no/x", "new").ok());
}

TEST(JsonTest, YamlQuotesWhatWouldComeBackAsSomethingElse) {
  const Json json = {{"name", "quickstart"}, {"text", "yes"},
                     {"id", "tiny"},         {"number", "12e4"},
                     {"list", {1, 2}},       {"nested", {{"a", true}}},
                     {"none", nullptr}};
  EXPECT_EQ(ToYamlText(json),
            "name: quickstart\ntext: \"yes\"\nid: tiny\nnumber: "
            "\"12e4\"\nlist: [1, 2]\n"
            "nested:\n  a: true\nnone: ~\n");
}

TEST(JsonTest, InvalidUtf8IsReplacedNotThrown) {
  const Json json = {{"text", "\xFF"}};
  EXPECT_THAT(ToJsonText(json), HasSubstr("\xEF\xBF\xBD"));
  EXPECT_THAT(ToYamlText(json), HasSubstr("\xEF\xBF\xBD"));
}

}  // namespace
}  // namespace aha::cli
