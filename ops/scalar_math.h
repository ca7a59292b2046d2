// ln and e^x of one double, computed with +, *, / alone, so that they give the
// same bits on every machine and with every libm. Internal to ops/. They have
// internal linkage because they are compiled for several instruction sets.
#pragma once

#include <bit>
#include <cstdint>
#include <limits>

namespace aha::ops {
namespace {

// Accurate to 2 ulp. Returns NaN for NaN and below 0, -inf for 0, inf for inf.
[[maybe_unused]] inline double Ln(double x) {
  if (!(x > 0)) {
    return x == 0 ? -std::numeric_limits<double>::infinity()
                  : std::numeric_limits<double>::quiet_NaN();
  }
  if (x == std::numeric_limits<double>::infinity()) return x;
  int64_t exponent = 0;
  if (x < 0x1p-1022) {
    x *= 0x1p54;
    exponent = -54;
  }
  uint64_t bits = std::bit_cast<uint64_t>(x);
  // Brings the mantissa into [sqrt(1/2), sqrt(2)).
  bits += 0x3ff0000000000000 - 0x3fe6a09e667f3bcd;
  exponent += static_cast<int64_t>(bits >> 52) - 1023;
  const double mantissa =
      std::bit_cast<double>((bits & 0x000fffffffffffff) + 0x3fe6a09e667f3bcd);
  // ln m = 2 artanh(f), f = (m - 1) / (m + 1), |f| < 0.172.
  const double f = (mantissa - 1) / (mantissa + 1);
  const double f2 = f * f;
  constexpr double kArtanh[] = {1.0 / 23, 1.0 / 21, 1.0 / 19, 1.0 / 17,
                                1.0 / 15, 1.0 / 13, 1.0 / 11, 1.0 / 9,
                                1.0 / 7,  1.0 / 5,  1.0 / 3};
  double series = 0;
  for (const double term : kArtanh) series = (series + term) * f2;
  const double e = static_cast<double>(exponent);
  return e * 0x1.62e42fefa3800p-1 +
         (2 * f + (2 * f * series + e * 0x1.ef35793c76730p-45));
}

// Accurate to 2 ulp if the result is a normal number. Returns NaN for NaN.
[[maybe_unused]] inline double ExpOf(double x) {
  if (x != x) return x;
  if (x < -745) return 0;
  if (x > 710) return std::numeric_limits<double>::infinity();
  const double scaled = x * 0x1.71547652b82fep+0;
  const int64_t n = static_cast<int64_t>(scaled + (scaled < 0 ? -0.5 : 0.5));
  const double k = static_cast<double>(n);
  const double r = (x - k * 0x1.62e42fefa3800p-1) - k * 0x1.ef35793c76730p-45;
  constexpr double kTaylor[] = {// 1/13! to 1/0!; r^14 / 14! < 2^-56.
                                1.0 / 6227020800,
                                1.0 / 479001600,
                                1.0 / 39916800,
                                1.0 / 3628800,
                                1.0 / 362880,
                                1.0 / 40320,
                                1.0 / 5040,
                                1.0 / 720,
                                1.0 / 120,
                                1.0 / 24,
                                1.0 / 6,
                                1.0 / 2,
                                1.0,
                                1.0};
  double series = 0;
  for (const double term : kTaylor) series = series * r + term;
  const int64_t half = n / 2;
  const auto power = [](int64_t p) {
    return std::bit_cast<double>(static_cast<uint64_t>(p + 1023) << 52);
  };
  return series * power(half) * power(n - half);
}

}  // namespace
}  // namespace aha::ops
