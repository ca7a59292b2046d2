// How much work one verdict of the verifier `math` may cost, counted in steps
// and never in time, so that every replica stops at the same place.
//
// A step is about as much as one multiplication of two numbers of 256 bits.
// Not thread-safe; one budget belongs to one verdict.
#pragma once

#include <cstddef>
#include <cstdint>

namespace aha::rewards::math {

// What a verdict may cost; about 100 ms at worst.
inline constexpr int64_t kMaxSteps = 60'000;
// Bytes of an answer, or of a reference, that are read at all.
inline constexpr size_t kMaxAnswerBytes = 16 * 1024;
// Levels of an expression's tree.
inline constexpr int kMaxDepth = 100;
// Nodes of an expression's tree.
inline constexpr int kMaxNodes = 20'000;
// Bits of an exact number.
inline constexpr size_t kMaxBits = 16 * 1024;

class Budget {
 public:
  explicit Budget(int64_t steps = kMaxSteps) : left_(steps) {}

  // Takes steps from the budget.  Returns whether it had that many; from the
  // first time on that it had not, it has none.
  bool Spend(int64_t steps) {
    left_ = steps > left_ ? -1 : left_ - steps;
    return left_ >= 0;
  }
  bool spent() const { return left_ < 0; }

 private:
  int64_t left_;
};

}  // namespace aha::rewards::math
