#include "base/rng.h"

namespace aha {
namespace {

// Constants from table 2 of the paper.
constexpr uint32_t kMultiplier0 = 0xD2511F53;
constexpr uint32_t kMultiplier1 = 0xCD9E8D57;
constexpr uint32_t kWeyl0 = 0x9E3779B9;
constexpr uint32_t kWeyl1 = 0xBB67AE85;

// Absorbs one 64-bit index into a 128-bit state.
Philox4x32 Absorb(const Philox4x32& state, uint64_t value) {
  return Philox(
      {state[0] ^ static_cast<uint32_t>(value),
       state[1] ^ static_cast<uint32_t>(value >> 32), state[2], state[3]},
      {state[2], state[3]});
}

}  // namespace

Philox4x32 Philox(const std::array<uint32_t, 4>& counter,
                  const std::array<uint32_t, 2>& key) {
  std::array<uint32_t, 4> c = counter;
  uint32_t k0 = key[0];
  uint32_t k1 = key[1];
  for (int round = 0; round < 10; ++round) {
    const uint64_t p0 = uint64_t{kMultiplier0} * c[0];
    const uint64_t p1 = uint64_t{kMultiplier1} * c[2];
    c = {static_cast<uint32_t>(p1 >> 32) ^ c[1] ^ k0, static_cast<uint32_t>(p1),
         static_cast<uint32_t>(p0 >> 32) ^ c[3] ^ k1,
         static_cast<uint32_t>(p0)};
    k0 += kWeyl0;
    k1 += kWeyl1;
  }
  return c;
}

// A key has this many coordinates; a struct for them would repeat their names
// at every call.
// NOLINTNEXTLINE(readability-function-size)
RandomKey::RandomKey(uint64_t seed, RandomPurpose purpose, uint64_t a,
                     uint64_t b, uint64_t c, uint64_t d) {
  Philox4x32 state = {static_cast<uint32_t>(purpose), 0, 0x41686121, 0};
  for (const uint64_t value : {seed, a, b, c, d}) state = Absorb(state, value);
  key_ = {state[0], state[1]};
  high_counter_ = {state[2], state[3]};
}

Philox4x32 RandomKey::Block(uint64_t i) const {
  return Philox({static_cast<uint32_t>(i), static_cast<uint32_t>(i >> 32),
                 high_counter_[0], high_counter_[1]},
                key_);
}

float RandomKey::Uniform(uint64_t i) const {
  // Adding half a step of 2^-23 excludes 0 and 1.
  return (static_cast<float>(Bits(i) >> 9) + 0.5f) * 0x1p-23f;
}

}  // namespace aha
