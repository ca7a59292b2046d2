#include "base/thread_pool.h"

#include <atomic>
#include <latch>
#include <memory>
#include <thread>
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

TEST_P(ThreadPoolTest, ANegativeCountRunsNothing) {
  ThreadPool pool(GetParam());
  pool.For(-1, [](int64_t) { FAIL(); });
}

// Each body waits for all others, so the loop ends only if every thread of the
// team takes one.
TEST_P(ThreadPoolTest, AllThreadsWorkAtOnce) {
  ThreadPool pool(GetParam());
  for (int loop = 0; loop < 20; ++loop) {
    std::latch all(GetParam());
    pool.For(GetParam(), [&](int64_t) { all.arrive_and_wait(); });
  }
}

TEST_P(ThreadPoolTest, TheCallerWorksToo) {
  ThreadPool pool(GetParam());
  const std::thread::id here = std::this_thread::get_id();
  std::latch all(GetParam());
  std::atomic<int> mine = 0;
  pool.For(GetParam(), [&](int64_t) {
    mine += std::this_thread::get_id() == here ? 1 : 0;
    all.arrive_and_wait();
  });
  EXPECT_EQ(mine, 1);
}

// For returns only after the last body: the caller may free what they used.
TEST_P(ThreadPoolTest, NoBodyRunsAfterTheLoop) {
  ThreadPool pool(GetParam());
  for (int loop = 0; loop < 500; ++loop) {
    auto used = std::make_unique<std::vector<int64_t>>(16);
    pool.For(16, [&](int64_t i) { (*used)[i] = i; });
    int64_t sum = 0;
    for (const int64_t value : *used) sum += value;
    ASSERT_EQ(sum, 120);
    used.reset();
  }
}

TEST_P(ThreadPoolTest, APoolThatNeverWorkedEndsAsOneThatDid) {
  for (int i = 0; i < 50; ++i) {
    ThreadPool idle(GetParam());
    ThreadPool busy(GetParam());
    std::atomic<int> runs = 0;
    busy.For(3, [&](int64_t) { ++runs; });
    ASSERT_EQ(runs, 3);
  }
}

TEST_P(ThreadPoolTest, TwoPoolsDoNotDisturbEachOther) {
  const auto sum = [](int threads) {
    ThreadPool pool(threads);
    std::vector<int64_t> squares(100);
    for (int loop = 0; loop < 100; ++loop) {
      pool.For(100, [&](int64_t i) { squares[i] += i * i; });
    }
    int64_t total = 0;
    for (const int64_t square : squares) total += square;
    return total;
  };
  int64_t other = 0;
  std::thread beside([&] { other = sum(GetParam()); });
  const int64_t mine = sum(GetParam());
  beside.join();
  EXPECT_EQ(mine, 100 * 328350);
  EXPECT_EQ(other, mine);
}

// One loop may be called from another thread than the one before.
TEST_P(ThreadPoolTest, TheCallersMayTakeTurns) {
  ThreadPool pool(GetParam());
  std::vector<int> runs(8);
  for (int turn = 0; turn < 20; ++turn) {
    std::thread([&] { pool.For(8, [&](int64_t i) { ++runs[i]; }); }).join();
    pool.For(8, [&](int64_t i) { ++runs[i]; });
  }
  EXPECT_THAT(runs, Each(40));
}

INSTANTIATE_TEST_SUITE_P(Threads, ThreadPoolTest, ::testing::Values(1, 2, 5));

}  // namespace
}  // namespace aha
