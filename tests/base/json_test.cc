#include "base/json.h"

#include <string>

#include "absl/strings/str_cat.h"
#include "base/text.h"
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

// An error becomes part of messages, which carry only UTF-8, and is cut at some
// length, which may be in the middle of a character.
TEST(JsonTest, ARefusalIsUtf8WhateverItQuotes) {
  for (const std::string& text :
       {std::string("\"\xFF\""), std::string("[\"\xE2\x82\"]"),
        std::string("\xC3\x28"), "[\"" + std::string(300, '\xFE')}) {
    const std::string refusal = Refusal(text);
    EXPECT_EQ(FindMalformedUtf8(refusal), std::string::npos) << refusal;
  }
  for (int shift = 0; shift < 3; ++shift) {
    std::string text = "[\"" + std::string(shift, 'x');
    for (int i = 0; i < 200; ++i) text += "\u20AC";
    EXPECT_EQ(FindMalformedUtf8(Refusal(text)), std::string::npos);
  }
}

TEST(JsonTest, OneValueIsAllThatThereMayBe) {
  EXPECT_TRUE(ParseJson<json>(" \n{}\t ").ok());
  for (const char* more : {"{} {}", "1 2", "[]]", "{},", "null x"}) {
    EXPECT_THAT(Refusal(more), StartsWith("not valid JSON: ")) << more;
  }
}

TEST(JsonTest, OnlyJsonIsReadNotItsDialects) {
  for (const char* other :
       {"{a: 1}", "{'a': 1}", "[1,]", "{\"a\": 1,}", "NaN", "Infinity", "+1",
        "01", "1.", ".5", "0x10", "True", "[1 // one\n]", "\"\n\"", "\"\\x41\"",
        "\"\\ud800\""}) {
    EXPECT_THAT(Refusal(other), StartsWith("not valid JSON: ")) << other;
  }
}

TEST(JsonTest, ClosingBracketsInFrontDoNotBuyDepth) {
  EXPECT_THAT(Refusal(std::string(1000, ']') + std::string(1000, '[')),
              StartsWith("not valid JSON: column 1: "));
  EXPECT_THAT(Refusal("[" + std::string(1000, ']') + std::string(1000, '[')),
              StartsWith("not valid JSON: column 3: "));
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
