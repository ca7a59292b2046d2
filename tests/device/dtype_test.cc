#include "device/dtype.h"

#include <cmath>
#include <cstdint>
#include <limits>

#include "gtest/gtest.h"

namespace aha {
namespace {

TEST(Bf16Test, EveryNumberSurvivesConversionToFloatAndBack) {
  for (uint32_t bits = 0; bits < 0x10000; ++bits) {
    const Bf16 x{static_cast<uint16_t>(bits)};
    if (std::isnan(ToFloat(x))) {
      EXPECT_TRUE(std::isnan(ToFloat(ToBf16(ToFloat(x)))));
    } else {
      EXPECT_EQ(ToBf16(ToFloat(x)).bits, bits);
    }
  }
}

TEST(Bf16Test, RoundsToNearestAndTiesToEven) {
  EXPECT_EQ(ToFloat(ToBf16(1.f + 0x1p-9f)), 1.f);
  EXPECT_EQ(ToFloat(ToBf16(1.f + 0x1p-8f)), 1.f);                // Tie: even.
  EXPECT_EQ(ToFloat(ToBf16(1.f + 3 * 0x1p-8f)), 1.f + 0x1p-6f);  // Tie: even.
  EXPECT_EQ(ToFloat(ToBf16(1.f + 0x1.8p-8f)), 1.f + 0x1p-7f);
}

TEST(Bf16Test, KeepsDenormalsOverflowsToInfinityAndKeepsNan) {
  constexpr float kDenormal = 0x1p-130f;
  EXPECT_EQ(ToFloat(ToBf16(kDenormal)), kDenormal);
  EXPECT_EQ(ToFloat(ToBf16(std::numeric_limits<float>::max())),
            std::numeric_limits<float>::infinity());
  EXPECT_TRUE(
      std::isnan(ToFloat(ToBf16(std::numeric_limits<float>::quiet_NaN()))));
}

TEST(WithTypeTest, ChoosesTheTypeOfTheFormat) {
  const auto size = [](DType dtype) {
    return WithType(dtype, []<class T>() { return sizeof(T); });
  };
  EXPECT_EQ(size(DType::kF32), SizeOf(DType::kF32));
  EXPECT_EQ(size(DType::kBf16), SizeOf(DType::kBf16));
}

TEST(HalfTest, EveryHalfIsTheNumberThatItsBitsSay) {
  for (int bits = 0; bits < 1 << 16; ++bits) {
    const int exponent = bits >> 10 & 31, mantissa = bits & 1023;
    const float sign = bits >> 15 != 0 ? -1.0f : 1.0f;
    const float got = HalfToFloat(static_cast<uint16_t>(bits));
    if (exponent == 31 && mantissa != 0) {
      EXPECT_TRUE(std::isnan(got)) << bits;
      continue;
    }
    const float want =
        exponent == 31 ? INFINITY
        : exponent == 0
            ? std::ldexp(static_cast<float>(mantissa), -24)
            : std::ldexp(static_cast<float>(mantissa + 1024), exponent - 25);
    EXPECT_EQ(std::bit_cast<uint32_t>(got),
              std::bit_cast<uint32_t>(sign * want))
        << bits;
  }
}

TEST(ElementTest, IsStoredRoundedAndLoadedAsItIs) {
  float wide[2] = {};
  Bf16 narrow[2] = {};
  StoreElement(wide, 1, 1.001f, DType::kF32);
  StoreElement(narrow, 1, 1.001f, DType::kBf16);
  EXPECT_EQ(LoadElement(wide, 1, DType::kF32), 1.001f);
  EXPECT_EQ(LoadElement(narrow, 1, DType::kBf16), 1.0f);
  EXPECT_EQ(LoadElement(wide, 0, DType::kF32), 0);
  EXPECT_EQ(LoadElement(narrow, 0, DType::kBf16), 0);
}

}  // namespace
}  // namespace aha
