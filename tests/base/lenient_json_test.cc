#include "base/lenient_json.h"

#include <cmath>
#include <limits>

#include "base/text.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "nlohmann/json.hpp"
#include "tests/temp_dir.h"

namespace aha {
namespace {

using ::testing::HasSubstr;
using ::testing::StartsWith;

TEST(LenientJsonTest, KeysStayInTheOrderInWhichTheyCame) {
  const auto value = ParseStoredJson(R"({"z": 1, "a": {"y": 2, "b": 3}})", "x");
  ASSERT_TRUE(value.ok()) << value.status();
  EXPECT_EQ(ToJsonLine(*value), R"({"z":1,"a":{"y":2,"b":3}})");
  EXPECT_EQ(ToIndentedJson(*value), R"({
  "z": 1,
  "a": {
    "y": 2,
    "b": 3
  }
}
)");
}

TEST(LenientJsonTest, WhatIsNotJsonIsDataLossAndSaysWhereItStood) {
  for (const char* torn : {"", "{\"a\": ", "{} {}", "nul", "[1,]"}) {
    const absl::Status status =
        ParseStoredJson(torn, "metrics.jsonl:3").status();
    EXPECT_TRUE(absl::IsDataLoss(status)) << torn << ": " << status;
    EXPECT_THAT(std::string(status.message()), StartsWith("metrics.jsonl:3: "));
  }
}

TEST(LenientJsonTest, AFileIsReadOrItsPathNamed) {
  const TempDir dir;
  EXPECT_EQ((*ReadJsonFile(dir.Write("a", "[1, 2]\n")))[1], 2);
  EXPECT_TRUE(absl::IsNotFound(ReadJsonFile(dir / "none").status()));
  const absl::Status torn = ReadJsonFile(dir.Write("b", "[1, ")).status();
  EXPECT_TRUE(absl::IsDataLoss(torn)) << torn;
  EXPECT_THAT(std::string(torn.message()), StartsWith(dir / "b"));
}

// Each kind of value stands where a number, a text or an object was expected.
TEST(LenientJsonTest, WhatHasAnotherTypeYieldsTheFallback) {
  const Json object = *ParseStoredJson(
      R"({"n": 2.5, "i": -3, "u": 18446744073709551615, "t": "text",
          "null": null, "b": true, "l": [1], "o": {"n": 1}})",
      "x");
  EXPECT_EQ(NumberOr(object, "n", 7), 2.5);
  EXPECT_EQ(NumberOr(object, "i", 7), -3);
  EXPECT_EQ(NumberOr(object, "u", 7), 0x1p64);
  EXPECT_EQ(TextOr(object, "t", "none"), "text");
  for (const char* key : {"t", "null", "b", "l", "o", "missing", ""}) {
    EXPECT_EQ(NumberOr(object, key, 7), 7) << key;
  }
  for (const char* key : {"n", "null", "b", "l", "o", "missing", ""}) {
    EXPECT_EQ(TextOr(object, key, "none"), "none") << key;
  }
  EXPECT_EQ(NumberOr(MemberOrNull(object, "o"), "n", 7), 1);
  EXPECT_TRUE(MemberOrNull(object, "missing").is_null());
}

TEST(LenientJsonTest, WhatIsNoObjectHasNoMembers) {
  for (const char* text : {"null", "1", "\"a\"", "[{\"a\": 1}]", "true"}) {
    const Json value = *ParseStoredJson(text, "x");
    EXPECT_TRUE(MemberOrNull(value, "a").is_null()) << text;
    EXPECT_EQ(NumberOr(value, "a", 7), 7) << text;
    EXPECT_EQ(TextOr(value, "a", "none"), "none") << text;
  }
}

TEST(LenientJsonTest, WritingNeverThrowsAndAlwaysGivesUtf8) {
  const std::string bad = "a\xFF\xC3(\xE2\x82";
  for (const std::string& text :
       {ToJsonString(bad), ToJsonLine(Json::array({bad})),
        ToIndentedJson({{"key", bad}})}) {
    EXPECT_EQ(FindMalformedUtf8(text), absl::string_view::npos);
    EXPECT_THAT(text, HasSubstr("\uFFFD"));
  }
  EXPECT_EQ(ToJsonString("say \"no\"\n\t\x01"), R"("say \"no\"\n\t\u0001")");
  // A number that JSON does not have is written as null.
  for (const double number :
       {std::numeric_limits<double>::infinity(),
        -std::numeric_limits<double>::infinity(), std::nan("")}) {
    EXPECT_EQ(ToJsonLine(Json(number)), "null");
  }
}

TEST(LenientJsonTest, NumbersComeBackWithTheSameBits) {
  for (const double number :
       {0.1, 1.0 / 3, 5e-324, 1.7976931348623157e308, -0.0, 0x1p53}) {
    const Json back = *ParseStoredJson(ToJsonLine({{"x", number}}), "x");
    const double read = NumberOr(back, "x", 7);
    EXPECT_EQ(read, number);
    EXPECT_EQ(std::signbit(read), std::signbit(number));
  }
}

}  // namespace
}  // namespace aha
