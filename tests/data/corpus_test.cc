#include "data/corpus.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <set>
#include <string>

namespace aha {
namespace {

using ::testing::HasSubstr;

Exercise Example() {
  Exercise exercise;
  exercise.prompt = "3+5+9?";
  exercise.answer = "7";
  exercise.steps = {{"3+5=", "8", "9"}, {"8+9=", "7", "5"}};
  return exercise;
}

TEST(CorpusTest, SolutionsAreWrittenInFourStyles) {
  EXPECT_EQ(SolutionText(Example(), DocumentStyle::kTerse),
            "<think></think><answer>7</answer>");
  EXPECT_EQ(SolutionText(Example(), DocumentStyle::kFact),
            "<think></think><answer>7</answer>");
  EXPECT_EQ(SolutionText(Example(), DocumentStyle::kWorked),
            "<think>3+5=8;8+9=7</think><answer>7</answer>");
  EXPECT_EQ(SolutionText(Example(), DocumentStyle::kCorrected, 1),
            "<think>3+5=8;8+9=5 wait 8+9=7</think><answer>7</answer>");
}

TEST(CorpusTest, SharesComeOutAsAsked) {
  const CorpusMix mix;
  constexpr int kDocuments = 20'000;
  int facts = 0, facts_at_once = 0, terse = 0, worked = 0, corrected = 0;
  for (uint64_t i = 0; i < kDocuments; ++i) {
    const Document d = MakeDocument(1, i, mix, {});
    // A fact has one or two operations. No default kind needs more characters
    // for those than for four.
    const bool fact = d.prompt.size() <= 8 || d.prompt.find(":1") == 23 ||
                      d.prompt.find(":2") == 23;
    const bool at_once = d.completion.find("<think><") != std::string::npos;
    if (fact) {
      ++facts;
      facts_at_once += at_once;
    } else if (d.completion.find(" wait ") != std::string::npos) {
      ++corrected;
    } else {
      ++(at_once ? terse : worked);
    }
  }
  EXPECT_NEAR(facts, .30 * kDocuments, 300);
  EXPECT_NEAR(facts_at_once, .15 * kDocuments, 300);
  EXPECT_NEAR(terse, .52 * kDocuments, 300);
  EXPECT_NEAR(worked, .15 * kDocuments, 300);
  EXPECT_NEAR(corrected, .03 * kDocuments, 150);
}

TEST(CorpusTest, FullSizeExercisesAreOfTheTrainingSplit) {
  const CorpusMix no_facts{0, .5, .4, .1};
  for (uint64_t i = 0; i < 20'000; ++i) {
    const Document document = MakeDocument(1, i, no_facts, {});
    ASSERT_EQ(SplitOf(document.prompt), Split::kTrain) << document.prompt;
  }
}

TEST(CorpusTest, FactsAsLongAsTheExercisesAreOfTheTrainingSplitToo) {
  const CorpusMix only_facts{1, 0, 0, 0};
  const ExerciseOptions short_exercises{{}, 1, 3};
  int held_out = 0;
  for (uint64_t i = 0; i < 3000; ++i) {
    const Document d = MakeDocument(1, i, only_facts, short_exercises);
    ASSERT_EQ(SplitOf(d.prompt), Split::kTrain) << d.prompt;
    // If the exercises are longer, facts may be of either split.
    const Document free = MakeDocument(1, i, only_facts, {});
    held_out += SplitOf(free.prompt) == Split::kEval;
  }
  EXPECT_GT(held_out, 100);
}

TEST(CorpusTest, SharesNeedNotAddUpToOne) {
  const CorpusMix half{0, .25, .25, 0};
  int worked = 0;
  for (uint64_t i = 0; i < 2000; ++i) {
    const Document d = MakeDocument(1, i, half, {});
    worked += d.completion.find("<think><") == std::string::npos;
  }
  EXPECT_NEAR(worked, 1000, 100);
}

TEST(CorpusTest, SeedAndIndexChooseTheDocument) {
  const auto text = [](uint64_t seed, uint64_t index) {
    const Document d = MakeDocument(seed, index, {}, {});
    return d.prompt + d.completion;
  };
  EXPECT_EQ(text(1, 1), text(1, 1));
  std::set<std::string> distinct;
  for (uint64_t i = 0; i < 50; ++i) {
    distinct.insert(text(1, i));
    distinct.insert(text(2, i));
  }
  EXPECT_GT(distinct.size(), 90u);
}

TEST(CorpusTest, MixNamesTheShareThatIsWrong) {
  EXPECT_TRUE(CorpusMix{}.Validate().ok());
  EXPECT_THAT((CorpusMix{-.1, .5, .1, .1}.Validate().ToString()),
              HasSubstr("facts must be in [0, 1], got -0.1"));
  EXPECT_THAT((CorpusMix{.5, .5, .1, 0}.Validate().ToString()),
              HasSubstr("at most 1, got 1.1"));
  EXPECT_FALSE((CorpusMix{0, 0, 0, 0}.Validate().ok()));
}

}  // namespace
}  // namespace aha
