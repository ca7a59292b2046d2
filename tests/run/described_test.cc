// What fields.h does with each kind of member, on a struct of its own.
#include <cmath>
#include <cstdint>
#include <limits>
#include <map>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "nlohmann/json.hpp"
#include "run/fields.h"
#include "run/lines.h"

namespace aha::run {
namespace {

using ::testing::ElementsAre;
using ::testing::IsEmpty;
using ::testing::Pair;

struct Inner {
  int64_t x = 5;
};

struct Sample {
  std::string text = "default";
  bool flag = true;
  int32_t small = 7;
  uint64_t large = 8;
  float single = 1.5f;
  double number = 2.5;
  JobState state = JobState::kUnknown;
  std::optional<double> maybe = {};
  std::optional<Inner> inner = {};
  std::vector<int32_t> list = {};
  std::vector<Inner> structs = {};
  std::vector<std::pair<std::string, double>> pairs = {};
  std::string nested = "default";
  std::map<std::string, double> rest = {};
};

}  // namespace

template <class Fields, class Self>
void DescribeFields(Fields& fields, Self& inner, Inner*) {
  fields("x", inner.x);
}

template <class Fields, class Self>
void DescribeFields(Fields& fields, Self& sample, Sample*) {
  fields.NotEmpty("text", sample.text);
  fields("flag", sample.flag);
  fields("small", sample.small);
  fields("large", sample.large);
  fields("single", sample.single);
  fields("number", sample.number);
  fields("state", sample.state);
  fields("maybe", sample.maybe);
  fields("inner", sample.inner);
  fields.NotEmpty("list", sample.list);
  fields.NotEmpty("structs", sample.structs);
  fields.NotEmpty("pairs", sample.pairs);
  fields.Object("outer", [&](auto& outer) { outer("nested", sample.nested); });
  fields.Rest(sample.rest);
}

namespace {

Sample Read(absl::string_view text) {
  return FromJson<Sample>(*ParseStoredJson(text, "test"));
}

TEST(DescribedTest, EveryKindOfMemberComesBack) {
  Sample sample{.text = "a\"b\n",
                .flag = false,
                .small = -3,
                .large = ~uint64_t{0},
                .single = 0.1f,
                .number = 0.1,
                .state = JobState::kPaused,
                .maybe = -0.0,
                .inner = Inner{.x = -1},
                .list = {1, 2},
                .structs = {{.x = 1}, {.x = 2}},
                .pairs = {{"z", 1}, {"a", 2}},
                .nested = "in",
                .rest = {{"kl", 0.25}, {"a/b", 1e300}}};
  const Sample back = Read(ToLine(sample));
  EXPECT_EQ(ToLine(back), ToLine(sample));
  EXPECT_EQ(back.large, ~uint64_t{0});
  EXPECT_EQ(back.single, 0.1f);
  EXPECT_TRUE(std::signbit(*back.maybe));
  EXPECT_EQ(back.inner->x, -1);
  EXPECT_EQ(back.structs[1].x, 2);
  EXPECT_THAT(back.pairs, ElementsAre(Pair("z", 1), Pair("a", 2)));
  EXPECT_THAT(back.rest, ElementsAre(Pair("a/b", 1e300), Pair("kl", 0.25)));
}

TEST(DescribedTest, WhatIsEmptyOrAbsentIsNotWritten) {
  const Sample sample{.text = ""};
  EXPECT_EQ(ToLine(sample),
            R"({"flag":true,"small":7,"large":8,"single":1.5,"number":2.5,)"
            R"("state":"unknown","outer":{"nested":"default"}})");
}

TEST(DescribedTest, ANumberHasTheFewestDigitsOfItsType) {
  const std::string line = ToLine(Sample{.single = 0.1f, .number = 0.1});
  EXPECT_THAT(line, ::testing::HasSubstr(R"("single":0.1,"number":0.1,)"));
  EXPECT_THAT(ToLine(Sample{.number = 3}),
              ::testing::HasSubstr(R"("number":3.0,)"))
      << "a reader with types sees that it is not an integer";
  EXPECT_THAT(ToLine(Sample{.number = 1e22}),
              ::testing::HasSubstr(R"("number":1e+22,)"));
}

TEST(DescribedTest, ANumberThatIsNotFiniteIsNullAndKeepsTheDefault) {
  for (const double number :
       {std::nan(""), std::numeric_limits<double>::infinity(),
        -std::numeric_limits<double>::infinity()}) {
    const std::string line = ToLine(
        Sample{.number = number, .maybe = number, .rest = {{"r", number}}});
    EXPECT_THAT(line, ::testing::HasSubstr(R"("number":null)"));
    const Sample back = Read(line);
    EXPECT_EQ(back.number, 2.5);
    EXPECT_FALSE(back.maybe.has_value());
    EXPECT_THAT(back.rest, IsEmpty());
  }
}

TEST(DescribedTest, WhatIsNotAnObjectIsAllDefaults) {
  for (const char* text : {"null", "3", "\"text\"", "[1, 2]", "{}"}) {
    EXPECT_EQ(ToLine(Read(text)), ToLine(Sample())) << text;
  }
}

TEST(DescribedTest, AMemberOfAnotherTypeKeepsItsDefault) {
  for (const char* other : {"null", "{}", "[]"}) {
    const std::string text = absl::StrCat(
        R"({"text": )", other, R"(, "flag": )", other, R"(, "small": )", other,
        R"(, "number": )", other, R"(, "state": )", other, R"(, "outer": )",
        other, R"(, "single": )", other, R"(, "large": )", other, "}");
    EXPECT_EQ(ToLine(Read(text)), ToLine(Sample())) << text;
  }
  EXPECT_EQ(Read(R"({"text": 1})").text, "default");
  EXPECT_TRUE(Read(R"({"flag": 0})").flag);
  EXPECT_EQ(Read(R"({"number": "3"})").number, 2.5);
  EXPECT_THAT(Read(R"({"list": {"0": 1}})").list, IsEmpty());
  EXPECT_FALSE(Read(R"({"maybe": "3"})").maybe.has_value());
  EXPECT_FALSE(Read(R"({"inner": 3})").inner.has_value());
  EXPECT_EQ(Read(R"({"state": "lost"})").state, JobState::kUnknown);
}

TEST(DescribedTest, AnIntegerThatDoesNotFitIsAsGoodAsNone) {
  for (const char* number :
       {"2147483648", "-2147483649", "1e300", "-1.5", "18446744073709551615"}) {
    EXPECT_EQ(Read(absl::StrCat(R"({"small": )", number, "}")).small, 7)
        << number;
  }
  EXPECT_EQ(Read(R"({"small": -2147483648})").small,
            std::numeric_limits<int32_t>::min());
  EXPECT_EQ(Read(R"({"large": -1})").large, 8u);
  EXPECT_EQ(Read(R"({"large": 1.9e19})").large, 8u);
  EXPECT_EQ(Read(R"({"large": 3.0})").large, 3u) << "as Python writes it";
}

// A float takes no number that only a double holds: the conversion has no
// defined result.
TEST(DescribedTest, ANumberBeyondAFloatKeepsTheDefault) {
  EXPECT_EQ(Read(R"({"single": 1e300})").single, 1.5f);
  EXPECT_EQ(Read(R"({"single": -1e300})").single, 1.5f);
  EXPECT_EQ(Read(R"({"single": 3.4e38})").single, 3.4e38f);
}

TEST(DescribedTest, TheRestIsEveryNumberThatHasNoMember) {
  const Sample back = Read(
      R"({"number": 1, "outer": {"nested": "x", "deep": 9}, "kl": 0.5,
          "name": "text", "list": [1], "flag": true, "on": true})");
  EXPECT_THAT(back.rest, ElementsAre(Pair("kl", 0.5)));
  EXPECT_EQ(back.nested, "x");
}

TEST(DescribedTest, ElementsOfAListThatAreNoNumbersKeepTheirPlace) {
  EXPECT_THAT(Read(R"({"list": [1, "x", 3]})").list, ElementsAre(1, 0, 3));
  EXPECT_EQ(Read(R"({"structs": [{"x": 1}, 2]})").structs[1].x, 5);
}

TEST(JsonLinesTest, ObjectsAreTakenAndBrokenLinesCounted) {
  int broken = 0;
  const std::vector<Json> lines = ParseJsonLines(
      "{\"a\": 1}\n\n  \t\n[1]\n3\n{\"b\": \n{\"c\": 2}\r\n{\"d\": 3", &broken);
  ASSERT_EQ(lines.size(), 2u);
  EXPECT_EQ(lines[1]["c"], 2);
  EXPECT_EQ(broken, 4) << "a list, a number, and two that are torn";
  EXPECT_THAT(ParseJsonLines("", &broken), IsEmpty());
  EXPECT_THAT(ParseJsonLines("\xFF\n{", nullptr), IsEmpty());
}

}  // namespace
}  // namespace aha::run
