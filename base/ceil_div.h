// Integer division that rounds up, for counts of blocks and padded sizes.
//
// Both functions are pure and do not overflow as long as their result fits.
#pragma once

#include <type_traits>

namespace aha {

// Returns how many blocks of size `b` hold `a` things.
// REQUIRES: a >= 0, b > 0; both are signed, or both are unsigned.
template <class A, class B>
constexpr std::common_type_t<A, B> CeilDiv(A a, B b) {
  static_assert(std::is_signed_v<A> == std::is_signed_v<B>,
                "one operand would change its sign");
  return a / b + (a % b != 0 ? 1 : 0);
}

// Returns the smallest multiple of `multiple` that is at least `n`.  The same
// must satisfy what CeilDiv requires.
template <class A, class B>
constexpr std::common_type_t<A, B> RoundUp(A n, B multiple) {
  return CeilDiv(n, multiple) * multiple;
}

}  // namespace aha
