#include "base/json.h"

#include <string>

#include "absl/strings/str_cat.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "nlohmann/json.hpp"

namespace aha {
namespace {

using ::nlohmann::json;
using ::testing::HasSubstr;
using ::testing::StartsWith;

std::string Nested(int depth) {
  return std::string(depth, '[') + std::string(depth, ']');
}

std::string Refusal(const std::string& text) {
  const absl::Status status = ParseJson<json>(text).status();
  EXPECT_EQ(status.code(), absl::StatusCode::kInvalidArgument) << text;
  return std::string(status.message());
}

TEST(JsonTest, AValueIsReadAndKeysStayInOrderWhereTheTypeKeepsThem) {
  const auto value =
      ParseJson<nlohmann::ordered_json>(R"({"b": [1, "x"], "a": null})");
  ASSERT_TRUE(value.ok()) << value.status();
  EXPECT_EQ(value->dump(), R"({"b":[1,"x"],"a":null})");
}

TEST(JsonTest, InvalidJsonIsRefusedWithItsPosition) {
  EXPECT_THAT(Refusal(""), StartsWith("not valid JSON: column 1: "));
  EXPECT_THAT(Refusal("{\"a\": "), StartsWith("not valid JSON: column 7: "));
  EXPECT_THAT(Refusal("[1,\n2"), StartsWith("not valid JSON: line 2, column"));
  EXPECT_THAT(Refusal("1e999"), StartsWith("not valid JSON: "));
  // The library would take a zero byte for the end.
  EXPECT_THAT(Refusal(std::string("{}\0{{", 5)),
              HasSubstr("a zero byte at byte 3"));
  EXPECT_THAT(Refusal(std::string("\"\0\"", 3)), HasSubstr("not valid JSON"));
  EXPECT_LT(Refusal("[\"" + std::string(1 << 20, 'x')).size(), 300u);
}

TEST(JsonTest, NestingIsBoundedBecauseTheLibraryRecurses) {
  EXPECT_TRUE(ParseJson<json>(Nested(kMaxJsonDepth)).ok());
  EXPECT_THAT(Refusal(Nested(kMaxJsonDepth + 1)),
              HasSubstr("at most 64 deep, is deeper at byte 65"));
  EXPECT_THAT(Refusal(Nested(10'000'000)), HasSubstr("at most 64 deep"));
  EXPECT_THAT(Refusal(std::string(100'000, '[')), HasSubstr("at most 64 deep"));
}

TEST(JsonTest, BracketsSideBySideOrWithinTextDoNotNest) {
  std::string many = "[0";
  for (int i = 0; i < 1000; ++i) many += ",{\"a\":[]}";
  EXPECT_TRUE(ParseJson<json>(many + "]").ok());
  const std::string text = R"(\")" + std::string(1000, '[') + R"(\\)";
  const auto value = ParseJson<json>(absl::StrCat("[\"", text, "\"]"));
  ASSERT_TRUE(value.ok()) << value.status();
  EXPECT_EQ((*value)[0].get<std::string>().size(), 1002u);
}

}  // namespace
}  // namespace aha
