#include "tensor/dtype.h"

#include <cmath>
#include <cstdint>
#include <limits>

#include "gtest/gtest.h"

namespace aha {
namespace {

TEST(Bf16Test, EveryNumberSurvivesTheWayToFloatAndBack) {
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

}  // namespace
}  // namespace aha
