// Stores fp32 master weights beside bf16 weights in less memory: splits an fp32
// number into its bf16 rounding, the 16 bits that the rounding dropped, and one
// bit for ties.
//
// A program that stores bf16 weights and their fp32 originals stores the upper
// halves twice. This form takes two bytes less for each number and loses
// nothing. A bf16 number with an even last bit is the rounding of 2^16 + 1
// floats, because both ties round to it; hence the extra bit. REQUIRES: x is
// not NaN.
#pragma once

#include <bit>
#include <cstdint>

#include "device/dtype.h"

namespace aha::ops {
namespace {  // As in scalar_math.h.

struct Halves {
  Bf16 rounded;
  uint16_t low;  // The lower half of x.
  bool up;       // A tie that was rounded away from zero.
};

[[maybe_unused]] constexpr Halves Split(float x) {
  const uint32_t bits = std::bit_cast<uint32_t>(x);
  const Bf16 rounded = ToBf16(x);
  const uint16_t low = static_cast<uint16_t>(bits);
  return {rounded, low, low == 0x8000 && rounded.bits != bits >> 16};
}

[[maybe_unused]] constexpr float Join(const Halves& h) {
  const bool up = h.low > 0x8000 || (h.low == 0x8000 && h.up);
  const uint32_t bits = uint32_t{h.rounded.bits} << 16 | h.low;
  return std::bit_cast<float>(bits - (up ? 0x10000u : 0u));
}

}  // namespace
}  // namespace aha::ops
