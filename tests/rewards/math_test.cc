// What `math` takes for the same answer, and what it does not.
#include <gtest/gtest.h>

#include <ctime>
#include <fstream>
#include <nlohmann/json.hpp>
#include <string>
#include <thread>
#include <vector>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_replace.h"
#include "absl/strings/string_view.h"
#include "rewards/math/answer.h"
#include "rewards/math/budget.h"
#include "rewards/math/compare.h"
#include "rewards/math/parser.h"
#include "tests/rewards/judge.h"

namespace aha::rewards {
namespace {

struct Pair {
  std::string kind;
  std::string reference;
  std::string answer;
};

std::vector<Pair> ReadPairs(const std::string& file) {
  std::ifstream in(absl::StrCat(AHA_SOURCE_DIR, "/tests/rewards/", file));
  std::vector<Pair> pairs;
  for (std::string line; std::getline(in, line);) {
    const auto row = nlohmann::json::parse(line);
    pairs.push_back({row["kind"], row["reference"], row["answer"]});
  }
  return pairs;
}

// The answer as a model would write it at the end of its solution.
std::vector<std::string> Completions(const std::string& answer) {
  return {absl::StrCat("So we get \\boxed{", answer, "}."),
          absl::StrCat("<think>5 or 7?</think><answer>", answer, "</answer>"),
          absl::StrCat("It follows. The answer is $", answer, "$.")};
}

TEST(MathTest, NoWrongAnswerIsPaid) {
  const std::vector<Pair> pairs = ReadPairs("wrong_answers.jsonl");
  EXPECT_GT(pairs.size(), 1900u);
  const auto verifier = Make("math");
  for (const Pair& pair : pairs) {
    for (const std::string& completion : Completions(pair.answer)) {
      const Verdict verdict = Judge(*verifier, completion, pair.reference);
      EXPECT_EQ(verdict.value, 0) << pair.kind << ": " << completion << " for "
                                  << pair.reference << ": " << verdict.evidence;
    }
  }
}

TEST(MathTest, EveryFormOfARightAnswerIsPaid) {
  const std::vector<Pair> pairs = ReadPairs("right_answers.jsonl");
  EXPECT_GT(pairs.size(), 700u);
  const auto verifier = Make("math");
  for (const Pair& pair : pairs) {
    const Verdict verdict = Judge(
        *verifier, absl::StrCat("\\boxed{", pair.answer, "}"), pair.reference);
    EXPECT_EQ(verdict.value, 1) << pair.kind << ": " << pair.answer << " for "
                                << pair.reference << ": " << verdict.evidence;
    // Equality has no direction here.
    const Verdict back = Judge(
        *verifier, absl::StrCat("\\boxed{", pair.reference, "}"), pair.answer);
    EXPECT_EQ(back.value, 1) << pair.kind << ": " << pair.reference << " for "
                             << pair.answer << ": " << back.evidence;
  }
}

TEST(MathTest, FindsTheAnswerByThePriorityThatIsStated) {
  struct Case {
    const char* completion;
    const char* found;
    const char* place;
  };
  const Case cases[] = {
      {"\\boxed{1} so \\boxed{\\frac{1}{2}}. The answer is 3", "\\frac{1}{2}",
       "last box"},
      {"\\boxed{1} and \\boxed{2}", "1, 2", "last boxes"},
      {"\\boxed{1}. Then \\boxed{2}", "2", "last box"},
      {"\\\\boxed{\\\\frac{1}{2}}", "\\frac{1}{2}", "last box"},
      {"<think>\\boxed{1}</think><answer>2</answer>", "2", "answer block"},
      {"\\boxed{1} <answer>\\boxed{2}</answer> 3", "2", "last box"},
      {"<answer>It is 6.</answer>", "6", "answer block"},
      {"The answer is 5.\n#### 7", "7", "behind ####"},
      {"**Answer:** $x = 5$ since $x > 4$. 12", "x = 5", "behind 'answer'"},
      {"The final answer is 3.5 cm.\nI hope it helps", "3.5 cm",
       "behind 'answer'"},
      {"Final Answer: the volume of $ABC$ is 120. I hope", "120",
       "behind 'answer'"},
      {"Final answer: Jane started 3 hours ago.", "3", "behind 'answer'"},
      {"We get \\(7\\) and \\[x = 8\\] done", "x = 8", "last formula"},
      {"We get $7$, so it is 1,234 apples", "1,234", "last number"},
      {"We pay $5 and then $6.", "6", "last number"},
      {"It costs $5, so \\(x = 5\\) holds", "x = 5", "last formula"},
      {"\\frac{1}{2}", "\\frac{1}{2}", "last number"},
      {"<think>5</think> none", "none", "all of it"},
  };
  for (const Case& c : cases) {
    const auto found = math::FindAnswer(c.completion);
    ASSERT_TRUE(found.has_value()) << c.completion;
    EXPECT_EQ(found->text, c.found) << c.completion;
    EXPECT_EQ(found->place, c.place) << c.completion;
  }
  EXPECT_FALSE(math::FindAnswer("<think>5</think>").has_value());
  EXPECT_FALSE(math::FindAnswer("").has_value());
}

TEST(MathTest, SaysWhatItFoundAndWhichTierDecided) {
  const auto evidence = [](const char* answer, const char* reference) {
    return Judge("math", absl::StrCat("\\boxed{", answer, "}"), reference)
        .evidence;
  };
  EXPECT_EQ(evidence("\\dfrac12", "\\frac12"),
            "last box: '\\dfrac12', same text");
  EXPECT_EQ(evidence("0.5", "1/2"), "last box: '0.5', same rational");
  EXPECT_EQ(evidence("3.1415927", "\\pi"),
            "last box: '3.1415927', same decimal");
  EXPECT_EQ(evidence("(x+1)^2", "x^2+2x+1"),
            "last box: '(x+1)^2', same polynomial");
  EXPECT_EQ(evidence("\\sqrt{8}", "2\\sqrt2"),
            "last box: '\\sqrt{8}', same values");
  EXPECT_EQ(evidence("2,1", "1, 2"), "last box: '2,1', same list");
  EXPECT_EQ(evidence("x<5", "(-\\infty,5)"), "last box: 'x<5', same interval");
  EXPECT_EQ(evidence("x=5", "2x=10"), "last box: 'x=5', same equation");
  EXPECT_EQ(evidence("7", "8"), "last box: '7'");
}

TEST(MathTest, ToleratesWhatTheJobFileSays) {
  EXPECT_EQ(Value("math", "\\boxed{3.14}", "\\pi"), 0);
  const auto verifier = Make("math", {.relative_tolerance = 0.001});
  EXPECT_EQ(Judge(*verifier, "\\boxed{3.14}", "\\pi").value, 1);
  EXPECT_EQ(Judge(*verifier, "\\boxed{(1, 2.001)}", "(1, 2)").value, 1);
  EXPECT_EQ(Judge(*verifier, "\\boxed{2.003}", "2").value, 0);
}

TEST(MathTest, WhatWasCutOrCannotBeReadIsUnparsable) {
  EXPECT_EQ(Judge("math", "The answer is 6", "6", true).outcome,
            Outcome::kUnparsable);
  EXPECT_EQ(Value("math", "The answer is 6", "6"), 1);
  EXPECT_EQ(Value("math", "\\boxed{6} and 7", "6", true), 1);
  EXPECT_EQ(Judge("math", "no idea!?", "6").outcome, Outcome::kUnparsable);
  EXPECT_EQ(Judge("math", "\\boxed{\\frac{1}}", "6").outcome,
            Outcome::kUnparsable);
  EXPECT_EQ(Judge("math", "\\boxed{5}", "6").outcome, Outcome::kScore);
}

TEST(MathTest, AReferenceMayBeAWholeSolution) {
  EXPECT_EQ(Value("math", "\\boxed{72}", "48 / 2 = 24, so 72.\n#### 72"), 1);
  EXPECT_EQ(Value("math", "\\boxed{72}", "So it is $\\boxed{72}$ clips."), 1);
  EXPECT_EQ(Value("math", "\\boxed{24}", "48 / 2 = 24, so 72.\n#### 72"), 0);
}

TEST(MathTest, WhatIsTooLargeIsALimitAndAlwaysTheSame) {
  const std::string digits = "9^{9^{9^{9}}}";
  EXPECT_NE(Judge("math", absl::StrCat("\\boxed{", digits, "}"), "1").value, 1);
  std::string product = "(a+b+c+d+e)";
  while (product.size() < 10'000) product += product;
  EXPECT_EQ(Judge("math", absl::StrCat("\\boxed{", product, "}"),
                  absl::StrCat(product, "+1"))
                .outcome,
            Outcome::kLimit);
  const std::string deep =
      std::string(5000, '(') + "x" + std::string(5000, ')');
  EXPECT_EQ(Judge("math", absl::StrCat("\\boxed{", deep, "}"), "x").outcome,
            Outcome::kLimit);
  EXPECT_EQ(
      Judge("math", absl::StrCat("\\boxed{1", std::string(70'000, '+'), "1}"),
            "2")
          .outcome,
      Outcome::kLimit);
}

// What repeats in these is the worst that was found.
TEST(MathTest, NoAnswerOf64KBTakesLong) {
  const char* const pieces[] = {
      "1,",        "\\pm 1,", "1!",      "x+",         "x^{1/2}",
      "2^",        "\\sqrt{", "\\frac{", "(",          "{",
      "x<",        "\\sin ",  "|",       "x!",         "(a+b+c)^9",
      "1;2,",      "e^{",     "9^",      "(1,2)\\cup", "\\begin{pmatrix}1&",
      "\\text{a}", "5 cm ",   "99999^",  "-",          "\\log_2 ",
      "\\(",       "\\[",     "$ ",      "answer: ",   "#### ",
  };
  for (const char* piece : pieces) {
    for (const size_t size : {3000, 16'000, 64'000}) {
      std::string text;
      while (text.size() + 20 < size) text += piece;
      const std::clock_t start = std::clock();
      (void)Judge("math", absl::StrCat("\\boxed{", text, "1}"),
                  absl::StrCat(absl::string_view(text).substr(0, 15'000), "2"));
      (void)Judge("math", text, "\\frac{x+1}{x-1}");
      // It is 0.1 s with optimisation; quadratic time would be minutes.
      EXPECT_LT(std::clock() - start, 10 * CLOCKS_PER_SEC) << piece << size;
    }
  }
}

TEST(MathTest, EveryThreadFindsTheSame) {
  const std::vector<Pair> pairs = ReadPairs("right_answers.jsonl");
  const auto verifier = Make("math");
  const auto judge_all = [&] {
    std::string all;
    for (size_t i = 0; i < pairs.size(); i += 7) {
      all += Judge(*verifier, absl::StrCat("\\boxed{", pairs[i].answer, "}"),
                   pairs[i].reference)
                 .evidence;
    }
    return all;
  };
  const std::string expected = judge_all();
  std::vector<std::string> found(4);
  std::vector<std::thread> threads;
  for (std::string& result : found) {
    threads.emplace_back([&] { result = judge_all(); });
  }
  for (std::thread& thread : threads) thread.join();
  for (const std::string& result : found) EXPECT_EQ(result, expected);
}

TEST(MathParserTest, ReadsAmbiguousNotationAsItSays) {
  const auto same = [](const char* a, const char* b) {
    math::Budget budget;
    return math::CompareAnswers(a, b, {}, &budget).same;
  };
  EXPECT_TRUE(same("1/2x", "\\frac{x}{2}"));
  EXPECT_FALSE(same("1/2x", "\\frac{1}{2x}"));
  EXPECT_TRUE(same("\\sin 2x\\cos x", "\\sin(2x)\\cdot\\cos(x)"));
  EXPECT_TRUE(same("\\sin^{-1} x", "\\arcsin x"));
  EXPECT_TRUE(same("\\sqrt[3]{-8}", "-2"));
  EXPECT_TRUE(same("(1,234)", "(1, 234)"));
  EXPECT_FALSE(same("(1,234)", "1234"));
  EXPECT_TRUE(same("7 3/4", "7.75"));
  EXPECT_TRUE(same("-2\\frac12", "-2.5"));
  EXPECT_FALSE(same("\\sqrt{x^2}", "x"));
  EXPECT_TRUE(same("\\sqrt{x^2}", "|x|"));
  EXPECT_FALSE(same("2\\ln x", "\\ln x^3"));
  EXPECT_FALSE(same("1/0", "1/(1-1)"));
  EXPECT_FALSE(same("e^{\\pi\\sqrt{163}}", "262537412640768744"));
}

}  // namespace
}  // namespace aha::rewards
