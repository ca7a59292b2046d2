// Counter-based random numbers: Philox4x32-10 (Salmon et al., "Parallel Random
// Numbers: As Easy as 1, 2, 3", SC'11).
//
// A key names what a number is for, and an index names the number:
//
//   const RandomKey key(seed, RandomPurpose::kCorpus, document);
//   const float uniform = key.Uniform(0);
//
// A number is a pure function of (key, counter). Nothing has a state, so order,
// threads and restarts cannot change a number. All functions are pure.
#pragma once

#include <array>
#include <cstdint>

namespace aha {

using Philox4x32 = std::array<uint32_t, 4>;

// The block cipher itself.
Philox4x32 Philox(const std::array<uint32_t, 4>& counter,
                  const std::array<uint32_t, 2>& key);

// What a stream of random numbers is used for. Streams of different purposes
// are independent.
enum class RandomPurpose : uint32_t {
  kSampling = 1,     // Tokens.
  kInitialize = 2,   // Random weights.
  kExercise = 3,     // The exercise generator.
  kCorpus = 4,       // Order and composition of the SFT corpus.
  kPromptOrder = 5,  // Which prompt a slot holds.
  kTest = 99,
};

// A key derived from a seed, a purpose and up to four indices; equal inputs
// give equal keys.
class RandomKey {
 public:
  RandomKey(uint64_t seed, RandomPurpose purpose, uint64_t a = 0,
            uint64_t b = 0, uint64_t c = 0, uint64_t d = 0);

  // Returns the i-th block of the stream.
  Philox4x32 Block(uint64_t i) const;
  // Returns the i-th number of the stream; each is uniform.
  uint32_t Bits(uint64_t i) const { return Block(i >> 2)[i & 3]; }
  // Returns a number in (0, 1) with 23 bits, never 0 or 1, so that its log() is
  // finite.
  float Uniform(uint64_t i) const;
  // Returns a number in [0, n). REQUIRES: n > 0. It multiplies and shifts; its
  // bias is below n / 2^32.
  uint32_t Below(uint64_t i, uint32_t n) const {
    return static_cast<uint32_t>((uint64_t{Bits(i)} * n) >> 32);
  }

 private:
  std::array<uint32_t, 2> key_;
  std::array<uint32_t, 2> high_counter_;
};

}  // namespace aha
