#include "data/generator.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cstdio>
#include <map>
#include <set>
#include <string>
#include <vector>

namespace aha {
namespace {

using ::testing::HasSubstr;

constexpr ExerciseKind kEvery[] = {
    ExerciseKind::kSums, ExerciseKind::kMachine, ExerciseKind::kSwaps,
    ExerciseKind::kPointers, ExerciseKind::kPlainSums};

ExerciseOptions Only(ExerciseKind kind, int low, int high) {
  return {{kind}, low, high};
}

// Returns the answer of an independent solver, which reads only the prompt.
std::string SolveArithmetic(const std::string& prompt) {
  int value = prompt[0] - '0';
  for (size_t i = 1; prompt[i] != '?'; i += 2) {
    const int digit = prompt[i + 1] - '0';
    value = prompt[i] == '+'   ? value + digit
            : prompt[i] == '-' ? value - digit + 10
                               : value * digit;
    value %= 10;
  }
  return std::to_string(value);
}

std::string SolveSwaps(const std::string& prompt) {
  std::map<char, bool> has;
  has[prompt[0]] = true;
  for (size_t i = 2; i < prompt.size(); i += 3) {
    std::swap(has[prompt[i]], has[prompt[i + 1]]);
  }
  for (const auto& [place, here] : has) {
    if (here) return std::string(1, place);
  }
  return "";
}

std::string SolvePointers(const std::string& prompt) {
  std::map<char, char> next;
  const size_t colon = prompt.find(':');
  for (size_t i = 0; i < colon; i += 3) next[prompt[i]] = prompt[i + 1];
  int hops = std::stoi(prompt.substr(colon + 1));
  char node = prompt[prompt.size() - 2];
  while (hops-- > 0) node = next.at(node);
  return std::string(1, node);
}

std::string SolvePlainSum(const std::string& prompt) {
  int a = 0, b = 0;
  EXPECT_EQ(2, std::sscanf(prompt.c_str(), "What is %d + %d?", &a, &b));
  return std::to_string(a + b);
}

std::string Solve(const Exercise& exercise) {
  switch (exercise.kind) {
    case ExerciseKind::kSums:
    case ExerciseKind::kMachine:
      return SolveArithmetic(exercise.prompt);
    case ExerciseKind::kSwaps:
      return SolveSwaps(exercise.prompt);
    case ExerciseKind::kPointers:
      return SolvePointers(exercise.prompt);
    case ExerciseKind::kPlainSums:
      return SolvePlainSum(exercise.prompt);
  }
  return "";
}

TEST(GeneratorTest, TrainingAndHeldOutExercisesAreDisjoint) {
  std::set<std::string> train;
  for (uint64_t i = 0; i < 20'000; ++i) {
    const Exercise exercise = MakeExercise(1, Split::kTrain, i, {});
    ASSERT_EQ(SplitOf(exercise.prompt), Split::kTrain);
    train.insert(exercise.prompt);
  }
  EXPECT_GT(train.size(), 19'000u);
  // The split does not depend on the seed.
  for (const uint64_t seed : {1, 2}) {
    for (uint64_t i = 0; i < 20'000; ++i) {
      const Exercise exercise = MakeExercise(seed, Split::kEval, i, {});
      ASSERT_EQ(train.count(exercise.prompt), 0u) << exercise.prompt;
    }
  }
}

TEST(GeneratorTest, AnIndependentSolverFindsTheSameAnswers) {
  for (const ExerciseKind kind : kEvery) {
    for (const int operations : {1, 2, 5, 12}) {
      for (uint64_t i = 0; i < 200; ++i) {
        const Exercise exercise =
            MakeExercise(3, Split::kAll, i, Only(kind, operations, operations));
        EXPECT_EQ(Solve(exercise), exercise.answer) << exercise.prompt;
        const bool no_steps = kind == ExerciseKind::kPlainSums;
        EXPECT_TRUE(no_steps ||
                    exercise.steps.size() == static_cast<size_t>(operations));
      }
    }
  }
}

TEST(GeneratorTest, StepsLeadToTheAnswerAndSlipsAreWrong) {
  for (const ExerciseKind kind : kEvery) {
    for (uint64_t i = 0; i < 500; ++i) {
      const Exercise exercise =
          MakeExercise(3, Split::kTrain, i, Only(kind, 4, 7));
      EXPECT_EQ(exercise.steps.back().right, exercise.answer);
      for (const ExerciseStep& step : exercise.steps) {
        EXPECT_NE(step.slip, step.right);
      }
    }
  }
}

TEST(GeneratorTest, ExercisesAreShortEnough) {
  for (const ExerciseKind kind : kEvery) {
    for (uint64_t i = 0; i < 500; ++i) {
      const Exercise exercise =
          MakeExercise(5, Split::kTrain, i, Only(kind, 4, 7));
      // Prompts of plain_sums are not for character tokenizers.
      if (kind != ExerciseKind::kPlainSums) {
        EXPECT_LE(exercise.prompt.size(), 40u) << exercise.prompt;
        EXPECT_EQ(exercise.prompt.back(), '?');
      }
      size_t worked = 0;
      for (const ExerciseStep& step : exercise.steps) {
        worked += step.left.size() + step.right.size() + 1;
      }
      EXPECT_LE(worked, 70u) << exercise.prompt;
    }
  }
}

// Measures how often a guess that ignores the exercise is right: the most
// frequent answer and, for swaps, the first place and the ends of the last
// swap.
TEST(GeneratorTest, GuessingRarelyPays) {
  constexpr int kExercises = 6000;
  for (const ExerciseKind kind : DefaultExerciseKinds()) {
    std::map<std::string, int> answers;
    int first = 0, last_left = 0, last_right = 0;
    for (uint64_t i = 0; i < kExercises; ++i) {
      const Exercise p = MakeExercise(7, Split::kTrain, i, Only(kind, 4, 7));
      ++answers[p.answer];
      const size_t end = p.prompt.size();
      first += p.answer[0] == p.prompt[0];
      last_left += p.answer[0] == p.prompt[end - 3];
      last_right += p.answer[0] == p.prompt[end - 2];
    }
    for (const auto& [answer, count] : answers) {
      EXPECT_LT(count, kExercises * 0.15) << ExerciseKindName(kind) << answer;
    }
    for (const int count : {first, last_left, last_right}) {
      EXPECT_LT(count, kExercises * 0.30) << ExerciseKindName(kind);
    }
  }
}

TEST(GeneratorTest, IsAPureFunctionOfItsArguments) {
  const auto text = [](uint64_t seed, Split split, uint64_t index) {
    const Exercise p = MakeExercise(seed, split, index, {});
    return p.id + "|" + p.prompt + "|" + p.answer;
  };
  EXPECT_EQ(text(1, Split::kTrain, 9), text(1, Split::kTrain, 9));
  std::set<std::string> distinct = {
      text(1, Split::kTrain, 9), text(2, Split::kTrain, 9),
      text(1, Split::kEval, 9), text(1, Split::kTrain, 13)};
  EXPECT_EQ(distinct.size(), 4u);
}

// These are pinned because the results of jobs depend on them.
TEST(GeneratorTest, IsStable) {
  const char* expected[] = {
      "sums-train-0 5+3+3+3+7+7? 8",
      "machine-train-1 0-2-3+3-8? 0",
      "swaps-train-2 3:57,28,68,38,34,28? 2",
      "pointers-train-3 db,ga,ef,be,cg,fc,ah,hd:5a? f",
      "plain_sums-train-4 What is 7 + 3? Answer with only the number. 10",
  };
  for (uint64_t i = 0; i < 5; ++i) {
    const Exercise p = MakeExercise(1, Split::kTrain, i,
                                    {{std::begin(kEvery), std::end(kEvery)}});
    EXPECT_EQ(p.id + " " + p.prompt + " " + p.answer, expected[i]);
  }
}

TEST(GeneratorTest, KindsTakeTurns) {
  const ExerciseOptions options{
      {ExerciseKind::kSwaps, ExerciseKind::kSums}, 4, 4};
  EXPECT_EQ(MakeExercise(1, Split::kEval, 0, options).kind,
            ExerciseKind::kSwaps);
  EXPECT_EQ(MakeExercise(1, Split::kEval, 1, options).kind,
            ExerciseKind::kSums);
  EXPECT_EQ(MakeExercise(1, Split::kEval, 1, options).id, "sums-eval-1");
}

TEST(GeneratorTest, OptionsNameTheRule) {
  EXPECT_TRUE(ExerciseOptions{}.Validate().ok());
  EXPECT_THAT((ExerciseOptions{{}, 5, 4}.Validate().ToString()),
              HasSubstr("min_operations must be at most max_operations, got "
                        "5 and 4"));
  EXPECT_FALSE((ExerciseOptions{{}, 0, 4}.Validate().ok()));
  EXPECT_FALSE((ExerciseOptions{{}, 1, 65}.Validate().ok()));
  EXPECT_THAT(ParseExerciseKind("sum").status().ToString(),
              HasSubstr("kinds must be sums, machine, swaps, pointers or "
                        "plain_sums, got 'sum'"));
  for (const ExerciseKind kind : kEvery) {
    EXPECT_EQ(*ParseExerciseKind(ExerciseKindName(kind)), kind);
  }
}

}  // namespace
}  // namespace aha
