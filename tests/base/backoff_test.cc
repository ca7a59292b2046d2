#include "base/backoff.h"

#include <sys/wait.h>
#include <unistd.h>

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

TEST(BackoffTest, TheKeyOfAnotherProcessIsAnother) {
  int ends[2];
  ASSERT_EQ(::pipe(ends), 0);
  const pid_t child = ::fork();
  if (child == 0) {
    const uint64_t key = JitterKey("a");
    ::_exit(::write(ends[1], &key, sizeof(key)) == sizeof(key) ? 0 : 1);
  }
  uint64_t theirs = 0;
  ASSERT_EQ(::read(ends[0], &theirs, sizeof(theirs)),
            static_cast<ssize_t>(sizeof(theirs)));
  int status = -1;
  ASSERT_EQ(::waitpid(child, &status, 0), child);
  EXPECT_EQ(status, 0);
  EXPECT_NE(theirs, JitterKey("a"));
  ::close(ends[0]);
  ::close(ends[1]);
}

TEST(BackoffTest, AnAttemptBeforeTheFirstWaitsAsTheFirst) {
  EXPECT_GE(kPolicy.Wait(-5, 7), kPolicy.first / 2);
  EXPECT_LT(kPolicy.Wait(-5, 7), kPolicy.first * 1.5);
}

TEST(BackoffTest, APolicyOfOneLengthVariesOnlyByItsFactor) {
  const Backoff flat{absl::Seconds(2), absl::Seconds(2)};
  for (int attempt = 0; attempt < 50; ++attempt) {
    EXPECT_GE(flat.Wait(attempt, 3), absl::Seconds(1));
    EXPECT_LT(flat.Wait(attempt, 3), absl::Seconds(3));
  }
}

TEST(BackoffTest, EveryPolicyOfTheTreeReachesItsLongestWait) {
  for (const Backoff& policy :
       {kCallBackoff, kReconnectBackoff, kDeliveryBackoff, kResendBackoff}) {
    EXPECT_LT(policy.first, policy.longest);
    EXPECT_GE(policy.Wait(20, 1), policy.longest / 2);
  }
}

}  // namespace
}  // namespace aha
