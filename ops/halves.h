// An fp32 number as its bf16 rounding, the 16 bits that rounding dropped, and
// one bit for ties.
//
// Who keeps bf16 weights and their fp32 originals keeps the upper halves twice;
// this takes two bytes less a number and loses nothing.  A bf16 number with an
// even last bit stands for 2^16 + 1 floats: both ties round to it, hence the
// bit.  REQUIRES of x: no NaN.
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
