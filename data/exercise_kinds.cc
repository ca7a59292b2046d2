// Implements data/exercise_kinds.h: one function for each kind of exercise.
// Exercises must not be guessable without their steps; the comments below say
// how each kind ensures that.
#include "data/exercise_kinds.h"

#include <array>
#include <utility>

#include "absl/strings/str_cat.h"

namespace aha {
namespace {

constexpr int kPlaces = 8;  // For swaps.
constexpr int kNodes = 8;   // For pointers.

int Modulo10(int value) { return ((value % 10) + 10) % 10; }

int Apply(int value, char operation, int digit) {
  switch (operation) {
    case '+':
      return Modulo10(value + digit);
    case '-':
      return Modulo10(value - digit);
    default:
      return Modulo10(value * digit);
  }
}

// Returns a digit other than `value`.
std::string OtherDigit(int value, Draws& draws) {
  return absl::StrCat(Modulo10(value + draws.Between(1, 9)));
}

// Makes exercises of sums and machine: a start digit and operations on it.
Exercise Arithmetic(int operations, bool only_plus, Draws& draws) {
  // Only factors that are invertible modulo 10. With any other, a late
  // multiplication would narrow down the answer.
  constexpr std::array<int, 3> kFactors = {3, 7, 9};
  constexpr char kOperations[] = {'+', '-', '*'};
  Exercise exercise;
  int value = draws.Below(10);
  exercise.prompt = absl::StrCat(value);
  for (int i = 0; i < operations; ++i) {
    const char operation = only_plus ? '+' : kOperations[draws.Below(3)];
    const int digit = operation == '*' ? kFactors[draws.Below(3)]
                      : only_plus      ? draws.Below(10)
                                       : draws.Between(1, 9);
    const std::string text = absl::StrCat(std::string(1, operation), digit);
    absl::StrAppend(&exercise.prompt, text);
    const int next = Apply(value, operation, digit);
    exercise.steps.push_back({absl::StrCat(value, text, "="),
                              absl::StrCat(next), OtherDigit(next, draws)});
    value = next;
  }
  exercise.prompt += '?';
  exercise.answer = absl::StrCat(value);
  return exercise;
}

// Draws two different places. Half of the swaps move the object: with fewer,
// "it never moved" would be a good guess; with more, "the last swap moved it".
std::pair<int, int> DrawSwap(int place, Draws& draws) {
  if (draws.Below(2) == 0) {
    const int other = 1 + (place - 1 + draws.Between(1, kPlaces - 1)) % kPlaces;
    return std::minmax(place, other);
  }
  const int first = 1 + (place - 1 + draws.Between(1, kPlaces - 1)) % kPlaces;
  int second = first;
  while (second == first || second == place) second = draws.Between(1, kPlaces);
  return std::minmax(first, second);
}

Exercise Swaps(int operations, Draws& draws) {
  Exercise exercise;
  int place = draws.Between(1, kPlaces);
  exercise.prompt = absl::StrCat(place, ":");
  for (int i = 0; i < operations; ++i) {
    const auto [a, b] = DrawSwap(place, draws);
    absl::StrAppend(&exercise.prompt, i > 0 ? "," : "", a, b);
    const int next = place == a ? b : place == b ? a : place;
    // The mistake is to move the object the wrong way, or to move it when it
    // stays.
    const int slip = next == a ? b : next == b ? a : draws.Below(2) ? a : b;
    exercise.steps.push_back({absl::StrCat(place, ":", a, b, "="),
                              absl::StrCat(next), absl::StrCat(slip)});
    place = next;
  }
  exercise.prompt += '?';
  exercise.answer = absl::StrCat(place);
  return exercise;
}

std::array<int, kNodes> Shuffled(Draws& draws) {
  std::array<int, kNodes> order;
  for (int i = 0; i < kNodes; ++i) order[i] = i;
  for (int i = kNodes - 1; i > 0; --i) {
    std::swap(order[i], order[draws.Below(i + 1)]);
  }
  return order;
}

std::string NodeName(int node) {
  return std::string(1, static_cast<char>('a' + node));
}

// All nodes are on one cycle, so that no short cycle gives the answer away.
Exercise Pointers(int operations, Draws& draws) {
  const std::array<int, kNodes> cycle = Shuffled(draws);
  std::array<int, kNodes> next;
  for (int i = 0; i < kNodes; ++i) next[cycle[i]] = cycle[(i + 1) % kNodes];
  Exercise exercise;
  for (const int node : Shuffled(draws)) {
    absl::StrAppend(&exercise.prompt, exercise.prompt.empty() ? "" : ",",
                    NodeName(node), NodeName(next[node]));
  }
  int node = draws.Below(kNodes);
  absl::StrAppend(&exercise.prompt, ":", operations, NodeName(node), "?");
  for (int left = operations; left > 0; --left) {
    const int slip = (next[node] + draws.Between(1, kNodes - 1)) % kNodes;
    exercise.steps.push_back({absl::StrCat(left, NodeName(node), "="),
                              NodeName(next[node]), NodeName(slip)});
    node = next[node];
  }
  exercise.answer = NodeName(node);
  return exercise;
}

// Draws one or two digits with equal probability, so that easy sums are not
// rare.
int Term(Draws& draws) {
  return draws.Below(2) == 0 ? draws.Between(1, 9) : draws.Between(10, 99);
}

Exercise PlainSum(Draws& draws) {
  const int a = Term(draws);
  const int b = Term(draws);
  Exercise exercise;
  exercise.prompt =
      absl::StrCat("What is ", a, " + ", b, "? Answer with only the number.");
  exercise.answer = absl::StrCat(a + b);
  exercise.steps.push_back({absl::StrCat(a, "+", b, "="), exercise.answer,
                            absl::StrCat(a + b + draws.Between(1, 9))});
  return exercise;
}

}  // namespace

Exercise DrawExercise(ExerciseKind kind, int operations, Draws& draws) {
  Exercise exercise;
  switch (kind) {
    case ExerciseKind::kSums:
      exercise = Arithmetic(operations, /*only_plus=*/true, draws);
      break;
    case ExerciseKind::kMachine:
      exercise = Arithmetic(operations, /*only_plus=*/false, draws);
      break;
    case ExerciseKind::kSwaps:
      exercise = Swaps(operations, draws);
      break;
    case ExerciseKind::kPointers:
      exercise = Pointers(operations, draws);
      break;
    case ExerciseKind::kPlainSums:
      exercise = PlainSum(draws);
      break;
  }
  exercise.kind = kind;
  return exercise;
}

}  // namespace aha
