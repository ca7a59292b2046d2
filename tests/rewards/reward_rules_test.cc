#include "rewards/reward_rules.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <ctime>
#include <optional>
#include <string>
#include <vector>

#include "base/rng.h"
#include "rewards/number_text.h"

namespace aha {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;

constexpr RewardRule kRules[] = {RewardRule::kAccuracy, RewardRule::kFormat,
                                 RewardRule::kLastNumber, RewardRule::kBoxed,
                                 RewardRule::kContains};

double Value(RewardRule rule, absl::string_view completion,
             absl::string_view reference, bool truncated = false) {
  const auto value = ScoreRule(rule, {completion, reference, truncated});
  EXPECT_TRUE(value.ok()) << value.status();
  return value.ok() ? *value : -1;
}

bool Format(absl::string_view completion) {
  return Value(RewardRule::kFormat, completion, "") == 1;
}

bool Accurate(absl::string_view completion, absl::string_view reference = "6") {
  return Value(RewardRule::kAccuracy, completion, reference) == 1;
}

bool LastNumberIs(absl::string_view completion, absl::string_view reference) {
  return Value(RewardRule::kLastNumber, completion, reference) == 1;
}

bool Boxed(absl::string_view completion, absl::string_view reference) {
  return Value(RewardRule::kBoxed, completion, reference) == 1;
}

TEST(FormatTest, IsOneThinkBlockAndOneAnswerBlock) {
  EXPECT_TRUE(Format("<think>3+5=8</think><answer>8</answer>"));
  EXPECT_TRUE(Format("<think></think><answer>8</answer>"));
  EXPECT_TRUE(Format("<think>\na\nb\n</think>\n<answer>\n8\n</answer>\n"));
  EXPECT_TRUE(Format("<think>other <b>tags</b></think><answer>8</answer>"));
}

TEST(FormatTest, RefusesEverythingElse) {
  for (const char* text : {
           "",
           "8",
           "<think>a</think>",
           "<answer>8</answer>",
           "<think>a<answer>8</answer>",             // not closed
           "a</think><answer>8</answer>",            // not opened
           "<think>a</think><answer>8",              // cut
           "x<think>a</think><answer>8</answer>",    // text before
           "<think>a</think>x<answer>8</answer>",    // between
           "<think>a</think><answer>8</answer>x",    // after
           "<think>a</think><answer>8</answer>\nx",  // a line after
           "<think><think>a</think></think><answer>8</answer>",
           "<think>a</think><think>b</think><answer>8</answer>",
           "<think>a</think></think><answer>8</answer>",  // closed twice
           "<think>a</think><answer>8</answer><answer>9</answer>",
           "<answer>8</answer><think>a</think>",  // wrong order
           "<think><answer>8</answer></think>",   // nested
           "<THINK>a</THINK><answer>8</answer>",
       }) {
    EXPECT_FALSE(Format(text)) << text;
  }
}

TEST(AccuracyTest, ComparesTheTextOfTheOnlyAnswer) {
  EXPECT_TRUE(Accurate("<think>x</think><answer>6</answer>"));
  EXPECT_TRUE(Accurate("<think></think><answer> 6\n</answer>"));
  EXPECT_TRUE(Accurate("<think>x</think><answer>6</answer>", " 6 "));
  EXPECT_TRUE(Accurate("<think>x</think>so<answer>6</answer> done"));
  EXPECT_FALSE(Accurate("<think>x</think><answer>7</answer>"));
  EXPECT_FALSE(Accurate("<think>x</think><answer>66</answer>"));
  EXPECT_FALSE(Accurate("<think>x</think><answer></answer>"));
}

TEST(AccuracyTest, TheAnswerComesAfterTheThought) {
  EXPECT_FALSE(Accurate("<answer>6</answer>"));
  EXPECT_FALSE(Accurate("<answer>6</answer><think>x</think>"));
  EXPECT_FALSE(Accurate("<think>x<answer>6</answer>"));
  EXPECT_FALSE(Accurate("<think>x<answer>6</answer></think>"));
  EXPECT_FALSE(Accurate("x</think><answer>6</answer>"));
  EXPECT_FALSE(Accurate("</think><think><answer>6</answer>"));
}

TEST(AccuracyTest, SeveralAnswersCountAsNone) {
  EXPECT_FALSE(
      Accurate("<think>x</think><answer>5</answer><answer>6</answer>"));
  EXPECT_FALSE(Accurate("<think><answer></think><answer>6</answer>"));
  EXPECT_FALSE(Accurate("<think>x</think></answer><answer>6</answer>"));
  EXPECT_FALSE(Accurate("<think>x</think></answer>6<answer>"));
}

TEST(NumberTest, FindsTheLastNumber) {
  const auto last = [](absl::string_view text) {
    const auto number = LastNumber(text);
    return number ? number->value : "none";
  };
  EXPECT_EQ(last("The sum is 68."), "68");
  EXPECT_EQ(last("23."), "23");
  EXPECT_EQ(last("#### 72."), "72");
  EXPECT_EQ(last("23 + 45 = 68\n"), "68");
  EXPECT_EQ(last("1,234,567"), "1234567");
  EXPECT_EQ(last("7,425,000 people"), "7425000");
  EXPECT_EQ(last("$1,000.99"), "1000.99");
  EXPECT_EQ(last("1,23"), "23");
  EXPECT_EQ(last("12,3456"), "3456");
  EXPECT_EQ(last("1234,567"), "567");
  EXPECT_EQ(last("1, 2, 3"), "3");
  EXPECT_EQ(last("0.40"), "0.4");
  EXPECT_EQ(last(".4"), "0.4");
  EXPECT_EQ(last("007"), "7");
  EXPECT_EQ(last("= -5"), "-5");
  EXPECT_EQ(last("\xE2\x88\x92"
                 "5"),
            "-5");
  EXPECT_EQ(last("3-5"), "5");
  EXPECT_EQ(last("(3)-5"), "5");
  EXPECT_EQ(last("x-5"), "5");
  EXPECT_EQ(last("-0.00"), "0");
  EXPECT_EQ(last("3 - -5"), "-5");
  EXPECT_EQ(last("45cm"), "45");
  EXPECT_EQ(last("AZYUK2A"), "none");
  EXPECT_EQ(last("H2O has 3 atoms of x2"), "3");
  EXPECT_EQ(last("1.2.3"), "3");
  EXPECT_EQ(last("no digits, no points ..."), "none");
  EXPECT_EQ(last(""), "none");
}

TEST(NumberTest, ComparesExactly) {
  EXPECT_TRUE(LastNumberIs("it is 68.0", "68"));
  EXPECT_TRUE(LastNumberIs("it is 1,000", "1000"));
  EXPECT_TRUE(LastNumberIs("it is 68", " 68. "));
  // They are equal as doubles but not as numbers.
  EXPECT_FALSE(LastNumberIs("9007199254740993", "9007199254740992"));
  EXPECT_FALSE(LastNumberIs("0.1000000000000000001", "0.1"));
  EXPECT_FALSE(LastNumberIs("68 or 69", "68"));
  EXPECT_FALSE(LastNumberIs("", "68"));
  EXPECT_FALSE(LastNumberIs("-68", "68"));
}

TEST(NumberTest, ATruncatedNumberCountsForNothing) {
  EXPECT_EQ(Value(RewardRule::kLastNumber, "it is 6", "6", true), 0);
  EXPECT_EQ(Value(RewardRule::kLastNumber, "it is 6 and", "6", true), 1);
  EXPECT_EQ(Value(RewardRule::kLastNumber, "it is 6", "6", false), 1);
}

TEST(BoxedTest, TakesTheLastBalancedBox) {
  EXPECT_TRUE(Boxed("\\boxed{7}", "7"));
  EXPECT_TRUE(Boxed("so \\boxed{1} or \\boxed{ 7 }.", "7"));
  EXPECT_TRUE(Boxed("\\boxed {7}", "7"));
  EXPECT_TRUE(Boxed("\\boxed{\\frac{1}{2}}", "\\frac{1}{2}"));
  EXPECT_TRUE(Boxed("\\boxed{\\{1\\}}", "\\{1\\}"));
  EXPECT_TRUE(Boxed("{ \\boxed{7}", "7"));
  EXPECT_TRUE(Boxed("}} \\boxed{7}", "7"));
  EXPECT_TRUE(Boxed("\\boxed{1,000.0}", "1000"));
  EXPECT_TRUE(Boxed("\\boxed{7} and \\boxed{8", "7"));
  EXPECT_TRUE(Boxed("\\boxed{\\boxed{7}}", "7"));
  EXPECT_FALSE(Boxed("\\boxed{7} then \\boxed{8}", "7"));
  EXPECT_FALSE(Boxed("7", "7"));
  EXPECT_FALSE(Boxed("\\boxed 7", "7"));
  EXPECT_FALSE(Boxed("\\boxed{", "7"));
  EXPECT_FALSE(Boxed("\\boxed{7", "7"));
  EXPECT_FALSE(Boxed("\\boxed{}", "7"));
}

TEST(ContainsTest, FindsTheReferenceAnywhere) {
  EXPECT_EQ(Value(RewardRule::kContains, "ab7cd", "7"), 1);
  EXPECT_EQ(Value(RewardRule::kContains, "abcd", "7"), 0);
}

TEST(RulesTest, AReferenceThatNoRuleCanUseIsAnErrorNotAZero) {
  const auto error = [](RewardRule rule, absl::string_view reference) {
    return ScoreRule(rule, {"x", reference, false}).status().ToString();
  };
  EXPECT_THAT(error(RewardRule::kLastNumber, "many"),
              HasSubstr("reference must be a number for reward last_number, "
                        "got 'many'"));
  EXPECT_THAT(error(RewardRule::kAccuracy, " "),
              HasSubstr("must not be empty for reward accuracy"));
  EXPECT_THAT(error(RewardRule::kContains, std::string(2000, 'a')),
              HasSubstr("at most 1024 bytes"));
  EXPECT_TRUE(CheckReference(RewardRule::kFormat, "").ok());
}

TEST(RulesTest, TheTotalIsTheWeightedSum) {
  const std::vector<RewardComponent> components = {
      {RewardRule::kAccuracy, "right", 1}, {RewardRule::kFormat, "form", .1}};
  const auto score = ScoreCompletion(
      components, {"<think></think><answer>7</answer>", "6", false});
  ASSERT_TRUE(score.ok());
  EXPECT_THAT(score->parts, ElementsAre(0, 1));
  EXPECT_EQ(score->total, .1);
  EXPECT_FALSE(ScoreCompletion(components, {"x", "", false}).ok());
}

TEST(RulesTest, NamesAreTheJobFiles) {
  for (const RewardRule rule : kRules) {
    EXPECT_EQ(*ParseRewardRule(RewardRuleName(rule)), rule);
  }
  EXPECT_THAT(ParseRewardRule("acuracy").status().ToString(),
              HasSubstr("got 'acuracy'"));
}

TEST(HostileCompletionTest, AMegabyteOfAnythingIsScoredInLinearTime) {
  const std::string pieces[] = {"\\boxed{",
                                "{",
                                "}",
                                "\\",
                                "<think>",
                                "</think>",
                                "<answer>",
                                "1",
                                "1,",
                                ",111",
                                "-",
                                ".",
                                "1.",
                                "<",
                                "</answer>",
                                "\xE2\x88\x92",
                                std::string(1, 0),
                                " ",
                                "\\boxed ",
                                "<thin",
                                "9,999"};
  // CPU time of this process, which other processes do not affect.
  const std::clock_t start = std::clock();
  for (const std::string& piece : pieces) {
    std::string text;
    while (text.size() < (1 << 20)) text += piece;
    for (const RewardRule rule : kRules) {
      EXPECT_TRUE(ScoreRule(rule, {text, "7", false}).ok());
    }
  }
  // This is the worst case for a search: everywhere all but the last character
  // agrees. Both lengths are the largest that are accepted (validate.h,
  // CheckReference).
  const std::string needle = std::string(1023, 'a') + 'b';
  EXPECT_EQ(*ScoreRule(RewardRule::kContains,
                       {std::string(4 << 20, 'a'), needle, false}),
            0);
  // It takes about a second without optimisation; a quadratic search would take
  // hours.
  EXPECT_LT(std::clock() - start, 60 * CLOCKS_PER_SEC);
}

// The four tags and then what may be between them.
const std::vector<std::string>& Pieces() {
  static const auto* const pieces = new std::vector<std::string>{
      "<think>", "</think>", "<answer>", "</answer>", "7", " ", "x", "\n"};
  return *pieces;
}

// Returns the index in Pieces of the tag that begins at `at`.
std::optional<int> TagAt(const std::string& text, size_t at) {
  for (int p = 0; p < 4; ++p) {
    const std::string& tag = Pieces()[static_cast<size_t>(p)];
    if (text.compare(at, tag.size(), tag) == 0) return p;
  }
  return std::nullopt;
}

bool SlowlyJudgedFormat(const std::string& text) {
  // These are the tags in order of appearance and the text outside the blocks.
  std::string tags, outside;
  bool inside = false;
  for (size_t at = 0; at < text.size();) {
    if (const std::optional<int> tag = TagAt(text, at)) {
      tags += static_cast<char>('0' + *tag);
      inside = *tag % 2 == 0;
      at += Pieces()[static_cast<size_t>(*tag)].size();
    } else {
      if (!inside) outside += text[at];
      ++at;
    }
  }
  return tags == "0123" &&
         outside.find_first_not_of(" \n") == std::string::npos;
}

TEST(HostileCompletionTest, RandomPiecesNeverCrashAndAgreeWithASlowJudge) {
  const std::vector<std::string>& pieces = Pieces();
  const RandomKey key(4, RandomPurpose::kTest);
  int formatted = 0;
  for (uint64_t i = 0; i < 200'000; ++i) {
    std::string text;
    const uint32_t count = 3 + key.Below(16 * i, 5);
    for (uint32_t j = 0; j < count; ++j) {
      text += pieces[key.Below(16 * i + 1 + j,
                               static_cast<uint32_t>(pieces.size()))];
    }
    const bool expected = SlowlyJudgedFormat(text);
    ASSERT_EQ(Format(text), expected) << text;
    formatted += expected;
  }
  EXPECT_GT(formatted, 20);
}

}  // namespace
}  // namespace aha
