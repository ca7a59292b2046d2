#include "base/clock.h"

#include "gtest/gtest.h"

namespace aha {
namespace {

TEST(MonotonicClockTest, NeverGoesBack) {
  const Clock clock = MonotonicClock();
  absl::Time before = clock();
  for (int i = 0; i < 10000; ++i) {
    const absl::Time now = clock();
    ASSERT_GE(now, before);
    before = now;
  }
}

TEST(MonotonicClockTest, AllOfAProcessCountFromOneOrigin) {
  const Clock one = MonotonicClock();
  const Clock other = MonotonicClock();
  const absl::Time first = one();
  const absl::Time between = other();
  const absl::Time last = one();
  EXPECT_LE(first, between);
  EXPECT_LE(between, last);
}

TEST(MonotonicClockTest, ItMovesAndItsTimesAreFinite) {
  const Clock clock = MonotonicClock();
  const absl::Time start = clock();
  EXPECT_GT(start, absl::InfinitePast());
  EXPECT_LT(start, absl::InfiniteFuture());
  absl::Time now = clock();
  while (now == start) now = clock();  // It ends once the clock moves.
  EXPECT_GT(now, start);
}

}  // namespace
}  // namespace aha
