// The number formats in which tensors are stored, and the conversions between
// them. Whatever reads or writes a stored number uses these.
#pragma once

#include <bit>
#include <cstddef>
#include <cstdint>
#include <cstdlib>
#include <ostream>
#include <utility>

#include "absl/strings/string_view.h"

namespace aha {

enum class DType { kF32, kBf16 };

constexpr size_t SizeOf(DType dtype) { return dtype == DType::kF32 ? 4 : 2; }
// Returns the name in safetensors headers: "F32" or "BF16".
constexpr absl::string_view NameOf(DType dtype) {
  return dtype == DType::kF32 ? "F32" : "BF16";
}
inline std::ostream& operator<<(std::ostream& out, DType dtype) {
  return out << NameOf(dtype);
}

// Brain floating point: the upper half of an IEEE float32.
struct Bf16 {
  uint16_t bits = 0;
};

constexpr float ToFloat(Bf16 x) {
  return std::bit_cast<float>(uint32_t{x.bits} << 16);
}
constexpr float ToFloat(float x) { return x; }

// Rounds to nearest even. NaN stays NaN, and denormals are kept.
constexpr Bf16 ToBf16(float x) {
  const uint32_t bits = std::bit_cast<uint32_t>(x);
  if ((bits & 0x7fffffff) > 0x7f800000) {
    return {static_cast<uint16_t>((bits >> 16) | 0x40)};
  }
  return {static_cast<uint16_t>((bits + 0x7fff + ((bits >> 16) & 1)) >> 16)};
}

// Converts IEEE binary16 (F16 in files) exactly.
constexpr float HalfToFloat(uint16_t half) {
  const uint32_t sign = uint32_t{half} >> 15 << 31;
  const uint32_t exponent = half >> 10 & 31;
  const uint32_t mantissa = half & 1023;
  if (exponent == 31) {
    return std::bit_cast<float>(sign | 0x7f800000 | mantissa << 13);
  }
  if (exponent == 0) {  // Zero or denormal: exact in float.
    const float value = static_cast<float>(mantissa) * 0x1p-24f;
    return sign != 0 ? -value : value;
  }
  return std::bit_cast<float>(sign | (exponent + 112) << 23 | mantissa << 13);
}

// Returns the address of element i of an array of `dtype`.
inline const std::byte* ElementAt(const void* data, int64_t i, DType dtype) {
  return static_cast<const std::byte*>(data) +
         i * static_cast<int64_t>(SizeOf(dtype));
}

// Read and write element i of an array of `dtype`; StoreElement rounds.
inline float LoadElement(const void* data, int64_t i, DType dtype) {
  return dtype == DType::kF32 ? static_cast<const float*>(data)[i]
                              : ToFloat(static_cast<const Bf16*>(data)[i]);
}
inline void StoreElement(void* data, int64_t i, float x, DType dtype) {
  if (dtype == DType::kF32) {
    static_cast<float*>(data)[i] = x;
  } else {
    static_cast<Bf16*>(data)[i] = ToBf16(x);
  }
}

// Calls f with T = float or Bf16: WithType(dtype, [&]<class T>() { ... }).
template <class F>
decltype(auto) WithType(DType dtype, F&& f) {
  switch (dtype) {
    case DType::kF32:
      return std::forward<F>(f).template operator()<float>();
    case DType::kBf16:
      return std::forward<F>(f).template operator()<Bf16>();
  }
  std::abort();  // Every enumerator is handled above; -Wswitch checks it.
}

}  // namespace aha
