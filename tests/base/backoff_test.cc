#include "base/backoff.h"

#include <set>

#include "gtest/gtest.h"

namespace aha {
namespace {

constexpr Backoff kPolicy{absl::Milliseconds(100), absl::Seconds(1)};

TEST(BackoffTest, WaitsDoubleUpToTheLongestAndVaryByHalf) {
  const absl::Duration plain[] = {
      absl::Milliseconds(100), absl::Milliseconds(200), absl::Milliseconds(400),
      absl::Milliseconds(800), absl::Seconds(1),        absl::Seconds(1)};
  for (uint64_t key = 0; key < 100; ++key) {
    for (int attempt = 0; attempt < 6; ++attempt) {
      const absl::Duration wait = kPolicy.Wait(attempt, key);
      EXPECT_GE(wait, plain[attempt] / 2) << attempt;
      EXPECT_LT(wait, plain[attempt] * 1.5) << attempt;
    }
  }
}

TEST(BackoffTest, AHugeAttemptStillWaitsNoLongerThanTheLongest) {
  for (const int attempt : {31, 64, 1 << 30}) {
    EXPECT_LT(kPolicy.Wait(attempt, 7), kPolicy.longest * 1.5);
    EXPECT_GE(kPolicy.Wait(attempt, 7), kPolicy.longest / 2);
  }
}

TEST(BackoffTest, EqualKeysWaitAlikeAndOthersDoNot) {
  EXPECT_EQ(kPolicy.Wait(3, 7), kPolicy.Wait(3, 7));
  std::set<absl::Duration> waits;
  for (uint64_t key = 0; key < 100; ++key) waits.insert(kPolicy.Wait(3, key));
  EXPECT_GT(waits.size(), 95u);
}

TEST(BackoffTest, TheKeyOfAProcessDependsOnItsPurpose) {
  EXPECT_EQ(JitterKey("a"), JitterKey("a"));
  EXPECT_NE(JitterKey("a"), JitterKey("b"));
}

}  // namespace
}  // namespace aha
