#include "base/thread_pool.h"

#include <atomic>
#include <vector>

#include "gmock/gmock.h"
#include "gtest/gtest.h"

namespace aha {
namespace {

using ::testing::Each;

class ThreadPoolTest : public ::testing::TestWithParam<int> {};

TEST_P(ThreadPoolTest, RunsEveryIndexExactlyOnce) {
  ThreadPool pool(GetParam());
  EXPECT_EQ(pool.threads(), GetParam());
  std::vector<std::atomic<int>> runs(1000);
  pool.For(1000, [&](int64_t i) { ++runs[i]; });
  for (const std::atomic<int>& count : runs) ASSERT_EQ(count.load(), 1);
}

TEST_P(ThreadPoolTest, ManyShortLoopsNeitherLoseNorMixWork) {
  ThreadPool pool(GetParam());
  std::vector<int64_t> totals(7);
  for (int64_t loop = 0; loop < 3000; ++loop) {
    pool.For(7, [&, loop](int64_t i) { totals[i] += loop; });
  }
  EXPECT_THAT(totals, Each(3000 * 2999 / 2));
}

TEST_P(ThreadPoolTest, AnEmptyLoopRunsNothing) {
  ThreadPool pool(GetParam());
  pool.For(0, [](int64_t) { FAIL(); });
}

INSTANTIATE_TEST_SUITE_P(Threads, ThreadPoolTest, ::testing::Values(1, 2, 5));

}  // namespace
}  // namespace aha
