// The verifiers that are not about mathematics or numbers.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <string>

#include "rewards/verifier.h"
#include "tests/rewards/judge.h"

namespace aha::rewards {
namespace {

using ::testing::HasSubstr;

TEST(ExactTest, ComparesEveryCharacter) {
  EXPECT_EQ(Value("exact", " seven\n", "seven"), 1);
  EXPECT_EQ(Value("exact", "<think>x</think> seven", "seven"), 1);
  EXPECT_EQ(Value("exact", "<answer> seven </answer> so", "seven"), 1);
  EXPECT_EQ(Value("exact", "Seven", "seven"), 0);
  EXPECT_EQ(Value("exact", "seven.", "seven"), 0);
  EXPECT_EQ(Value("exact", "7.0", "7"), 0);
}

TEST(RegexTest, MatchesAnywhereUnlessThePatternSaysWhere) {
  const auto anywhere = Make("regex", {.pattern = "b+c"});
  EXPECT_EQ(Judge(*anywhere, "abbbcd", "").value, 1);
  EXPECT_EQ(Judge(*anywhere, "abbbcd", "").evidence, "match: 'bbbc'");
  EXPECT_EQ(Judge(*anywhere, "abd", "").value, 0);
  const auto whole = Make("regex", {.pattern = "(?s)\\A<think>.*</think>\\z"});
  EXPECT_EQ(Judge(*whole, "<think>a\nb</think>", "").value, 1);
  EXPECT_EQ(Judge(*whole, "<think>a\nb</think>.", "").value, 0);
}

TEST(RegexTest, APatternThatIsNoneIsRefused) {
  const auto spec = *FindVerifier("regex");
  EXPECT_THAT(spec->make({}).status().ToString(),
              HasSubstr("pattern is required"));
  EXPECT_THAT(spec->make({.pattern = "(a"}).status().ToString(),
              HasSubstr("pattern must be a regular expression (RE2), got "
                        "'(a': missing )"));
}

TEST(ChoiceTest, ReadsTheLetterThatIsChosen) {
  for (const char* completion : {
           "\\boxed{B}",
           "\\boxed{\\text{(B)}}",
           "\\boxed{B) 12}",
           "<think>A or C?</think><answer>B</answer>",
           "The answer is (B).",
           "Answer: B",
           "**Answer:** **B**",
           "B",
           "(B)",
           "A triangle has three sides, so it must be (B).",
       }) {
    EXPECT_EQ(Value("choice", completion, "B"), 1) << completion;
    EXPECT_EQ(Value("choice", completion, "(B)"), 1) << completion;
    EXPECT_EQ(Value("choice", completion, "C"), 0) << completion;
  }
  for (const char* completion :
       {"", "b", "\\boxed{A or B}", "B and C", "BC", "none"}) {
    EXPECT_EQ(Judge("choice", completion, "B").outcome, Outcome::kUnparsable)
        << completion;
  }
  EXPECT_THAT(Make("choice")->Check({.reference = "both"}).ToString(),
              HasSubstr("answer must be one capital letter"));
}

Verdict Countdown(const char* completion, const char* target,
                  const char* numbers) {
  const PromptFields fields = {{"numbers", numbers}};
  const PromptView prompt = {.reference = target, .fields = &fields};
  const auto verifier = Make("countdown");
  EXPECT_EQ(verifier->Check(prompt).ToString(), "OK");
  return verifier->Score({{.prompt = prompt, .completion = completion}},
                         Deadline::Never())[0];
}

TEST(CountdownTest, EachNumberIsUsedOnce) {
  const char* const numbers = "[19, 36, 55, 7]";
  const auto value = [&](const char* completion) {
    return Countdown(completion, "65", numbers).value;
  };
  EXPECT_EQ(value("<answer>55 + 36 - 7 - 19</answer>"), 1);
  EXPECT_EQ(value("<answer>(55 + 36) - (7 + 19) = 65</answer>"), 1);
  EXPECT_EQ(value("\\boxed{36 + 55 - 19 - 7}"), 1);
  EXPECT_EQ(value("<answer>55 + 36 - 7</answer>"), 0);
  EXPECT_EQ(value("<answer>65</answer>"), 0);
  EXPECT_EQ(value("<answer>55 + 36 - 7 - 19 + 0</answer>"), 0);
  EXPECT_EQ(value("<answer>55 + 36 - 19 + 7</answer>"), 0);
  EXPECT_EQ(value("<answer>55 + 36 - 7 - 19 = 66</answer>"), 1);
  EXPECT_EQ(value("<answer>5536 - 719</answer>"), 0);
  EXPECT_EQ(Countdown("\\boxed{\\frac{3}{4} \\times 8}", "6", "[3,4,8]").value,
            1);
  EXPECT_EQ(Countdown("\\boxed{8 / (3 - 3)}", "6", "[3,3,8]").value, 0);
  EXPECT_EQ(Countdown("\\boxed{8 ^ 2}", "64", "[8,2]").value, 0);
  EXPECT_EQ(Countdown("it is 6", "6", "[3,3]").outcome, Outcome::kUnparsable);
}

TEST(CountdownTest, NamesNumbersThatItCannotUse) {
  const PromptFields fields = {{"numbers", "[1, 2.5]"}};
  EXPECT_THAT(
      Make("countdown")
          ->Check({.reference = "6", .fields = &fields})
          .ToString(),
      HasSubstr("numbers must be a list of 1 to 64 whole numbers for reward "
                "countdown, got '[1, 2.5]'"));
}

// The vectors of DAPO's reference implementation: 20480 tokens, 4096 of cache.
TEST(LengthTest, FallsOverTheCacheToMinusOne) {
  const auto verifier =
      Make("length", {.max_length = 20480, .cache_length = 4096});
  const auto value = [&](int64_t tokens) {
    return verifier
        ->Score({{.completion = "x", .tokens = tokens}}, Deadline::Never())[0]
        .value;
  };
  EXPECT_EQ(value(1), 0);
  EXPECT_EQ(value(16384), 0);
  EXPECT_EQ(value(16385), -.000244140625);
  EXPECT_EQ(value(18432), -.5);
  EXPECT_EQ(value(20480), -1);
  EXPECT_EQ(value(20481), -1);
}

TEST(LengthTest, WithoutACacheItIsAStep) {
  const auto verifier = Make("length", {.max_length = 9, .cache_length = 0});
  EXPECT_EQ(verifier->Score({{.tokens = 9}}, Deadline::Never())[0].value, 0);
  EXPECT_EQ(verifier->Score({{.tokens = 10}}, Deadline::Never())[0].value, -1);
}

TEST(RepetitionTest, IsTheShareOfRunsThatOccurAgain) {
  const auto pairs = Make("repetition", {.ngram_size = 2});
  EXPECT_EQ(Judge(*pairs, "5 5 5 5 5", "").value, -.75);
  EXPECT_EQ(Judge(*pairs, "1 2 1 2 1 2", "").value, -.6);
  EXPECT_EQ(Judge(*pairs, "1 2 1 2 1 2", "").evidence,
            "2 of 5 2-grams are distinct");
  EXPECT_EQ(Judge(*pairs, "a b c d", "").value, 0);
  EXPECT_EQ(Judge(*pairs, "a", "").value, 0);
  EXPECT_EQ(Judge(*pairs, "", "").value, 0);
  EXPECT_EQ(Judge(*pairs, "So it so  IT", "").value, 2. / 3 - 1);
  // Different pairs are never taken for the same.
  EXPECT_EQ(Judge(*pairs, "a b b a a c b c c a", "").value, 0);
}

TEST(ScriptTest, IsTheShareOfTheThoughtsLetters) {
  const auto latin = Make("script", {.script = "latin"});
  EXPECT_EQ(Judge(*latin, "all of it 123 + \\alpha", "").value, 1);
  EXPECT_EQ(Judge(*latin, "<think>ab \xD0\xB4\xD0\xB0</think>cdefgh", "").value,
            .5);
  EXPECT_EQ(Judge(*latin, "123", "").outcome, Outcome::kUnparsable);
  const auto han = Make("script", {.script = "han"});
  EXPECT_EQ(Judge(*han, "\xE4\xB8\xAD\xE6\x96\x87 ab", "").value, .5);
  EXPECT_EQ(Judge(*han, "\xE4\xB8\xAD\xE6\x96\x87 ab", "").evidence,
            "2 of 4 letters are han");
}

}  // namespace
}  // namespace aha::rewards
