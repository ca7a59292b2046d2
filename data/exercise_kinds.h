// The kinds of exercises, one function each; internal to data/.
#pragma once

#include <cstdint>

#include "base/rng.h"
#include "data/generator.h"

namespace aha {

// Reads a stream of random numbers from its beginning.
class Draws {
 public:
  explicit Draws(const RandomKey& key) : key_(key) {}
  // Returns a number in [0, n). REQUIRES: n > 0.
  int Below(int n) {
    return static_cast<int>(key_.Below(next_++, static_cast<uint32_t>(n)));
  }
  // Returns a number in [low, high].
  int Between(int low, int high) { return low + Below(high - low + 1); }

 private:
  RandomKey key_;
  uint64_t next_ = 0;
};

// Returns the prompt, answer and steps of an exercise with this many
// operations.
Exercise DrawExercise(ExerciseKind kind, int operations, Draws& draws);

}  // namespace aha
