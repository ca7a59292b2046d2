// SplitMaster holds an fp32 master weight in two bytes beside the bf16 weight
// that it rounds to, and loses nothing.
//
// The bf16 weight is the master rounded, so the master is known from it and its
// own lower 16 bits, except for a tie: 0x8000 in the lower bits may have been
// rounded up or down to an even number, and one more bit says which.
#pragma once

#include <bit>
#include <cstdint>

#include "device/dtype.h"

namespace aha::ops {
namespace {  // For the reason that scalar_math.h gives.

struct SplitMaster {
  Bf16 rounded;      // The master, rounded to nearest even.
  uint16_t low;      // The lower half of the master's bits.
  bool tie_went_up;  // A tie that was rounded away from zero.
};

// REQUIRES: x is not NaN.
[[maybe_unused]] constexpr SplitMaster SplitMasterWeight(float x) {
  const uint32_t bits = std::bit_cast<uint32_t>(x);
  const Bf16 rounded = ToBf16(x);
  const uint16_t low = static_cast<uint16_t>(bits);
  return {rounded, low, low == 0x8000 && rounded.bits != bits >> 16};
}

// The x of which SplitMasterWeight made `split`.
[[maybe_unused]] constexpr float JoinMasterWeight(const SplitMaster& split) {
  const bool went_up =
      split.low > 0x8000 || (split.low == 0x8000 && split.tie_went_up);
  const uint32_t bits = uint32_t{split.rounded.bits} << 16 | split.low;
  return std::bit_cast<float>(bits - (went_up ? 0x10000u : 0u));
}

}  // namespace
}  // namespace aha::ops
