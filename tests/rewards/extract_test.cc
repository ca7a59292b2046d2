// Where an answer is found.
#include "rewards/extract.h"

#include <gtest/gtest.h>

#include <string>

namespace aha::rewards {
namespace {

std::string Block(absl::string_view completion) {
  return std::string(AnswerBlock(completion).value_or("none"));
}
std::string Box(absl::string_view completion) {
  return std::string(LastBox(completion).value_or("none"));
}

TEST(ThinkAnswerFormTest, IsOneThinkBlockAndOneAnswerBlock) {
  EXPECT_TRUE(HasThinkAnswerForm("<think>3+5=8</think><answer>8</answer>"));
  EXPECT_TRUE(HasThinkAnswerForm("<think></think><answer>8</answer>"));
  EXPECT_TRUE(
      HasThinkAnswerForm("<think>\na\nb\n</think>\n<answer>\n8\n</answer>\n"));
  EXPECT_TRUE(
      HasThinkAnswerForm("<think>other <b>tags</b></think><answer>8</answer>"));
}

TEST(ThinkAnswerFormTest, IsNothingElse) {
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
    EXPECT_FALSE(HasThinkAnswerForm(text)) << text;
  }
}

TEST(AnswerBlockTest, IsTheOnlyOneBehindTheThought) {
  EXPECT_EQ(Block("<think>x</think><answer>6</answer>"), "6");
  EXPECT_EQ(Block("<think></think><answer> 6\n</answer>"), "6");
  EXPECT_EQ(Block("<think>x</think>so<answer>6</answer> done"), "6");
  EXPECT_EQ(Block("<think>x</think><answer></answer>"), "");
}

TEST(AnswerBlockTest, ATagThatTheThoughtMentionsDoesNotCount) {
  EXPECT_EQ(
      Block("<think>I end with an <answer> tag</think><answer>7</answer>"),
      "7");
  EXPECT_EQ(Block("<think><answer>5</answer></think><answer>7</answer>"), "7");
}

TEST(AnswerBlockTest, WithoutAThoughtOrWithSeveralAnswersThereIsNone) {
  for (const char* text : {
           "<answer>6</answer>",
           "<answer>6</answer><think>x</think>",
           "<think>x<answer>6</answer>",
           "<think>x<answer>6</answer></think>",
           "x</think><answer>6</answer>",
           "</think><think><answer>6</answer>",
           "<think>x</think><answer>5</answer><answer>6</answer>",
           "<think>x</think></answer><answer>6</answer>",
           "<think>x</think></answer>6<answer>",
       }) {
    EXPECT_EQ(Block(text), "none") << text;
  }
}

TEST(LastAnswerBlockTest, TakesTheLastOne) {
  EXPECT_EQ(LastAnswerBlock("<answer>1</answer><answer> 2 </answer>"), "2");
  EXPECT_EQ(LastAnswerBlock("<answer>1</answer><answer>2"), "1");
  EXPECT_EQ(LastAnswerBlock("1</answer>"), std::nullopt);
}

TEST(AfterThoughtTest, IsTheWholeTextWithoutOne) {
  EXPECT_EQ(AfterThought("<think>5</think> 6"), " 6");
  EXPECT_EQ(AfterThought("5"), "5");
}

TEST(LastBoxTest, BracesBalance) {
  EXPECT_EQ(Box("\\boxed{7}"), "7");
  EXPECT_EQ(Box("so \\boxed{1} or \\boxed{ 7 }."), " 7 ");
  EXPECT_EQ(Box("\\boxed {7}"), "7");
  EXPECT_EQ(Box("\\fbox{7}"), "7");
  EXPECT_EQ(Box("\\boxed{\\frac{1}{2}}"), "\\frac{1}{2}");
  EXPECT_EQ(Box("\\boxed{\\{1\\}}"), "\\{1\\}");
  EXPECT_EQ(Box("{ \\boxed{7}"), "7");
  EXPECT_EQ(Box("}} \\boxed{7}"), "7");
  EXPECT_EQ(Box("\\boxed{7} and \\boxed{8"), "7");
  EXPECT_EQ(Box("\\boxed{\\boxed{7}}"), "7");
  EXPECT_EQ(Box("\\boxed{}"), "");
  EXPECT_EQ(Box("7"), "none");
  EXPECT_EQ(Box("\\boxed{"), "none");
  EXPECT_EQ(Box("\\boxed{7"), "none");
  EXPECT_EQ(Box("\\boxedtext{7}"), "none");
}

TEST(LastBoxTest, WithoutBracesItEndsAtWhiteSpaceOrADollarSign) {
  EXPECT_EQ(Box("\\boxed 5"), "5");
  EXPECT_EQ(Box("$\\boxed 12$ apples"), "12");
  EXPECT_EQ(Box("\\boxed{7} \\boxed 8"), "8");
  EXPECT_EQ(Box("\\boxed "), "none");
}

TEST(SameAnswerTest, ComparesTextOrNumbers) {
  EXPECT_TRUE(SameAnswer(" seven ", "seven"));
  EXPECT_TRUE(SameAnswer("\\text{A}", "A"));
  EXPECT_TRUE(SameAnswer("(1, 2)", "(1,2)"));
  EXPECT_TRUE(SameAnswer("5", "\\boxed{5}"));
  EXPECT_TRUE(SameAnswer("5", "$5$"));
  EXPECT_TRUE(SameAnswer("5", "+5"));
  EXPECT_FALSE(SameAnswer("", "{}"));
  EXPECT_FALSE(SameAnswer("a", "A"));
  EXPECT_FALSE(SameAnswer("(2,1)", "(1,2)"));
}

}  // namespace
}  // namespace aha::rewards
