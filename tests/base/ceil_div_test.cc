#include "base/ceil_div.h"

#include <cstdint>
#include <limits>

#include "gtest/gtest.h"

namespace aha {
namespace {

TEST(CeilDivTest, ARestCountsAsAWholeOne) {
  EXPECT_EQ(CeilDiv(0, 4), 0);
  EXPECT_EQ(CeilDiv(1, 4), 1);
  EXPECT_EQ(CeilDiv(4, 4), 1);
  EXPECT_EQ(CeilDiv(5, 4), 2);
  for (int64_t a = 0; a < 100; ++a) {
    for (int64_t b = 1; b < 20; ++b) {
      const int64_t parts = CeilDiv(a, b);
      EXPECT_GE(parts * b, a);
      EXPECT_LT((parts - 1) * b, a);
    }
  }
}

TEST(CeilDivTest, TheGreatestNumbersDoNotOverflow) {
  constexpr int64_t kMost = std::numeric_limits<int64_t>::max();
  EXPECT_EQ(CeilDiv(kMost, int64_t{2}), kMost / 2 + 1);
  EXPECT_EQ(CeilDiv(kMost, kMost), 1);
  EXPECT_EQ(CeilDiv(~uint64_t{0}, uint64_t{2}), uint64_t{1} << 63);
  EXPECT_EQ(RoundUp(kMost - 63, int64_t{64}), kMost - 63);
}

TEST(CeilDivTest, OperandsMayHaveTwoTypes) {
  EXPECT_EQ(CeilDiv(int64_t{5'000'000'000}, 2), 2'500'000'000);
  EXPECT_EQ(CeilDiv(9, int64_t{4}), 3);
  EXPECT_EQ(RoundUp(size_t{9}, 4u), size_t{12});
}

TEST(RoundUpTest, IsTheNextMultiple) {
  static_assert(RoundUp(1, 64) == 64, "it can be used at compile time");
  EXPECT_EQ(RoundUp(0, 64), 0);
  EXPECT_EQ(RoundUp(64, 64), 64);
  EXPECT_EQ(RoundUp(65, 64), 128);
  EXPECT_EQ(RoundUp(7, 3), 9);
}

}  // namespace
}  // namespace aha
