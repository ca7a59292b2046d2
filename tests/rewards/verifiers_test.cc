// The table, and what each verifier makes of a completion.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <set>
#include <string>

#include "rewards/verifier.h"
#include "tests/rewards/judge.h"

namespace aha::rewards {
namespace {

using ::testing::AllOf;
using ::testing::HasSubstr;

std::string CheckError(absl::string_view name, absl::string_view reference) {
  return Make(name)->Check({.reference = reference}).ToString();
}

TEST(VerifierTableTest, EveryLineIsWhole) {
  std::set<absl::string_view> names;
  for (const VerifierSpec& spec : Verifiers()) {
    EXPECT_TRUE(names.insert(spec.name).second) << spec.name;
    EXPECT_FALSE(spec.help.empty()) << spec.name;
    EXPECT_EQ((*FindVerifier(spec.name))->name, spec.name);
    EXPECT_TRUE(spec.make(SettingsFor(spec)).ok()) << spec.name;
  }
}

TEST(VerifierTableTest, AnUnknownNameIsAnsweredWithTheKnownOnes) {
  EXPECT_THAT(FindVerifier("acuracy").status().ToString(),
              AllOf(HasSubstr("must be accuracy, format, last_number, "),
                    HasSubstr(" or script, got 'acuracy'")));
}

TEST(VerifierTableTest, AMissingFieldIsNamed) {
  VerifierSpec spec = **FindVerifier("format");
  spec.needs = {"tests"};
  const auto verifier = Make("format");
  EXPECT_THAT(CheckPrompt(spec, *verifier, {}).ToString(),
              HasSubstr("tests is missing; reward format needs it"));
  const PromptFields fields = {{"tests", "[]"}};
  EXPECT_TRUE(CheckPrompt(spec, *verifier, {.fields = &fields}).ok());
}

TEST(VerifierTest, AReferenceThatItCannotUseIsRefused) {
  EXPECT_THAT(CheckError("last_number", "many"),
              HasSubstr("answer must be a number for reward last_number, got "
                        "'many'"));
  EXPECT_THAT(CheckError("numeric", "1e5000"),
              HasSubstr("answer must be a number of at most 4096 digits for "
                        "reward numeric, got '1e5000'"));
  EXPECT_THAT(CheckError("accuracy", " "),
              HasSubstr("answer must not be empty for reward accuracy"));
  EXPECT_THAT(CheckError("contains", std::string(2000, 'a')),
              HasSubstr("at most 1024 bytes for reward contains, has 2000"));
  EXPECT_EQ(CheckError("format", ""), "OK");
  EXPECT_EQ(CheckError("numeric", "$\\frac{1}{2}$"), "OK");
}

TEST(VerifierTest, ABatchIsJudgedItemByItem) {
  const auto verifier = Make("contains");
  const PromptView prompt = {.reference = "7"};
  const std::vector<Verdict> verdicts =
      verifier->Score({{.prompt = prompt, .completion = "17"},
                       {.prompt = prompt, .completion = "18"}},
                      Deadline::Never());
  ASSERT_EQ(verdicts.size(), 2u);
  EXPECT_EQ(verdicts[0].value, 1);
  EXPECT_EQ(verdicts[1].value, 0);
}

TEST(VerifierTest, ItemsThatTheDeadlineOvertakesAreNeverAZero) {
  absl::Time now = absl::UnixEpoch();
  const Deadline deadline([&now] { return now += absl::Seconds(1); },
                          absl::UnixEpoch() + absl::Milliseconds(1500));
  const PromptView prompt = {.reference = "7"};
  const Item item = {.prompt = prompt, .completion = "7"};
  const std::vector<Verdict> verdicts =
      Make("contains")->Score({item, item}, deadline);
  EXPECT_EQ(verdicts[0].outcome, Outcome::kScore);
  EXPECT_EQ(verdicts[1].outcome, Outcome::kInfraError);
}

TEST(AccuracyTest, ComparesTheAnswerWithTheReference) {
  EXPECT_EQ(Value("accuracy", "<think>x</think><answer>6</answer>", " 6 "), 1);
  EXPECT_EQ(Value("accuracy", "<think>x</think><answer>7</answer>", "6"), 0);
  EXPECT_EQ(Value("accuracy", "<think>x</think><answer>66</answer>", "6"), 0);
  EXPECT_EQ(Value("accuracy", "<think>a</think><answer>7.0</answer>", "7"), 1);
  EXPECT_EQ(Value("accuracy", "<think>a</think><answer>$7</answer>", "7"), 1);
  EXPECT_EQ(
      Value("accuracy", "<think>a</think><answer>\\boxed{7}</answer>", "7"), 1);
  EXPECT_EQ(Judge("accuracy", "6", "6").outcome, Outcome::kUnparsable);
  EXPECT_EQ(
      Judge("accuracy", "<think></think><answer>x</answer>", "6").evidence,
      "answer block: 'x'");
}

TEST(FormatTest, IsWorthOneWithoutAReference) {
  EXPECT_EQ(Value("format", "<think></think><answer>8</answer>", ""), 1);
  EXPECT_EQ(Value("format", "8", ""), 0);
}

TEST(LastNumberRuleTest, PaysTheNumberAndNoPartOfIt) {
  struct Case {
    const char* completion;
    const char* wrong;
    const char* right;
  };
  const Case cases[] = {
      {"The loss is -$5", "5", "-5"}, {"The answer is 1/2.", "2", "0.5"},
      {"It is 10^5", "5", "100000"},  {"In total 1 234", "234", "1234"},
      {"That makes 1e5", "1", "1e5"}, {"x = - 5", "5", "-5"},
      {"\\frac{1}{3}", "3", "1/3"},   {"In total 1{,}234", "234", "1234"},
      {"5 million", "5", "5000000"},  {"2\xC2\xBD", "2", "2.5"},
  };
  for (const Case& c : cases) {
    EXPECT_EQ(Value("last_number", c.completion, c.wrong), 0) << c.completion;
    EXPECT_EQ(Value("last_number", c.completion, c.right), 1) << c.completion;
  }
}

TEST(LastNumberRuleTest, ANumberThatWasCutCountsForNothing) {
  EXPECT_EQ(Judge("last_number", "it is 6", "6", true).outcome,
            Outcome::kUnparsable);
  EXPECT_EQ(Value("last_number", "it is 6 and", "6", true), 1);
  EXPECT_EQ(Value("last_number", "it is 6", "6", false), 1);
}

TEST(LastNumberRuleTest, SaysWhyItDidNotJudge) {
  EXPECT_EQ(Judge("last_number", "none", "6").outcome, Outcome::kUnparsable);
  EXPECT_EQ(Judge("last_number", "2\\pi", "2").evidence,
            "last number: '2\\pi' is not one number");
  EXPECT_EQ(Judge("last_number", "1e999999999", "6").outcome, Outcome::kLimit);
}

TEST(BoxedTest, TakesAnyLatexFormOfTheReference) {
  struct Case {
    const char* box;
    const char* reference;
  };
  const Case cases[] = {
      {"\\boxed{\\$12}", "12"},
      {"\\boxed{12\\%}", "12"},
      {"\\boxed{\\frac{1}{2}}", "1/2"},
      {"\\boxed{\\dfrac{1}{2}}", "\\frac{1}{2}"},
      {"\\boxed{1{,}234}", "1234"},
      {"\\boxed{5 \\text{ cm}}", "5"},
      {"\\boxed{\\text{A}}", "A"},
      {"\\boxed{(1, 2)}", "(1,2)"},
      {"\\boxed{{5}}", "5"},
      {"\\boxed{- 5}", "-5"},
      {"\\boxed 5", "5"},
      {"\\fbox{5}", "5"},
      {"\\boxed{5}", "\\boxed{5}"},
      {"\\boxed{5}", "$5$"},
      {"\\boxed{5}", "+5"},
      {"\\boxed{1,000.0}", "1000"},
  };
  for (const Case& c : cases) {
    EXPECT_EQ(Value("boxed", c.box, c.reference), 1) << c.box;
  }
  EXPECT_EQ(Value("boxed", "\\boxed{7} then \\boxed{8}", "7"), 0);
  EXPECT_EQ(Value("boxed", "\\boxed{-5}", "5"), 0);
  EXPECT_EQ(Value("boxed", "\\boxed{}", "7"), 0);
  EXPECT_EQ(Judge("boxed", "7", "7").outcome, Outcome::kUnparsable);
}

TEST(ContainsTest, FindsTheReferenceAnywhere) {
  EXPECT_EQ(Value("contains", "ab7cd", "7"), 1);
  EXPECT_EQ(Value("contains", "abcd", "7"), 0);
}

TEST(NumericTest, LooksInTheBoxThenTheAnswerBlockThenBehindTheThought) {
  EXPECT_EQ(Value("numeric", "<answer>5</answer> \\boxed{6} 7", "6"), 1);
  EXPECT_EQ(Value("numeric", "\\boxed{x = 6 apples} 7", "6"), 1);
  EXPECT_EQ(Value("numeric", "<answer>It is 6.</answer> 7", "6"), 1);
  EXPECT_EQ(Value("numeric", "<think>5</think> It is 6.", "6"), 1);
  EXPECT_EQ(Value("numeric", "It is 6.", "6"), 1);
  EXPECT_EQ(Judge("numeric", "<think>6</think> done", "6").outcome,
            Outcome::kUnparsable);
  EXPECT_EQ(Judge("numeric", "\\boxed{6 or 7}", "6").outcome,
            Outcome::kUnparsable);
}

TEST(NumericTest, AnAnswerThatIsEnclosedIsNotCut) {
  EXPECT_EQ(Value("numeric", "\\boxed{6}", "6", true), 1);
  EXPECT_EQ(Value("numeric", "It is 6", "6", true), 0);
}

TEST(NumericTest, AcceptsWhatIsWithinTheTolerance) {
  const auto verifier = Make("numeric", {.tolerance = 0.01});
  EXPECT_EQ(Judge(*verifier, "It is 3.14", "3.15").value, 1);
  EXPECT_EQ(Judge(*verifier, "It is 3.13", "3.15").value, 0);
  const auto relative = Make("numeric", {.relative_tolerance = 0.1});
  EXPECT_EQ(Judge(*relative, "It is 110", "100").value, 1);
  EXPECT_EQ(Judge(*relative, "It is 111", "100").value, 0);
}

TEST(EvidenceTest, IsShortAndValidUtf8) {
  const std::string long_text =
      "\\boxed{" + std::string(79, 'a') + "\xE2\x82\xAC\xFF}";
  const std::string evidence = Judge("boxed", long_text, "7").evidence;
  EXPECT_EQ(evidence, "last box: '" + std::string(79, 'a') + "...'");
  EXPECT_EQ(Judge("boxed", "\\boxed{\xFF}", "7").evidence,
            "last box: '\xEF\xBF\xBD'");
}

}  // namespace
}  // namespace aha::rewards
