#include "ops/scalar_math.h"

#include <cmath>

#include "base/rng.h"
#include "gtest/gtest.h"

namespace aha::ops {
namespace {

TEST(ScalarMathTest, LnAndExpAreWithinAFewUlpOfLibm) {
  const RandomKey key(1, RandomPurpose::kTest);
  for (int i = 0; i < 20000; ++i) {
    const double x = (key.Uniform(i) - 0.5) * 1400;
    EXPECT_NEAR(ExpOf(x) / std::exp(x), 1, 2e-15) << x;
    const double y = std::exp(x);
    EXPECT_NEAR(Ln(y), std::log(y), 4e-16 * std::abs(x) + 1e-16) << y;
    const double z = 1 + (key.Uniform(i) - 0.5) * 1e-3;
    EXPECT_NEAR(Ln(z), std::log(z), 4e-16 * std::abs(z - 1) + 1e-30) << z;
  }
}

TEST(ScalarMathTest, EdgesAreIeee) {
  const double inf = INFINITY;
  EXPECT_EQ(Ln(1), 0);
  EXPECT_EQ(Ln(0), -inf);
  EXPECT_EQ(Ln(inf), inf);
  EXPECT_TRUE(std::isnan(Ln(-1)));
  EXPECT_TRUE(std::isnan(Ln(NAN)));
  EXPECT_NEAR(Ln(0x1p-1074), -1074 * std::log(2.0), 1e-12);
  EXPECT_EQ(ExpOf(0), 1);
  EXPECT_EQ(ExpOf(-inf), 0);
  EXPECT_EQ(ExpOf(inf), inf);
  EXPECT_TRUE(std::isnan(ExpOf(NAN)));
}

}  // namespace
}  // namespace aha::ops
