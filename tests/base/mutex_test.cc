#include "base/mutex.h"

#include <thread>
#include <vector>

#include "gtest/gtest.h"

namespace aha {
namespace {

class MutexTest : public ::testing::Test {
 protected:
  Mutex mutex_;
  CondVar changed_;
  int value_ ABSL_GUARDED_BY(mutex_) = 0;
};

TEST_F(MutexTest, OneThreadAtATimeHoldsIt) {
  std::vector<std::thread> threads;
  for (int t = 0; t < 4; ++t) {
    threads.emplace_back([this] {
      for (int i = 0; i < 10000; ++i) {
        MutexLock lock(mutex_);
        ++value_;
      }
    });
  }
  for (std::thread& thread : threads) thread.join();
  MutexLock lock(mutex_);
  EXPECT_EQ(value_, 40000);
}

// Wait gives the mutex back while it waits, and has it again when it returns:
// the two threads could not take turns otherwise.
TEST_F(MutexTest, AWaitReleasesTheMutexAndTakesItAgain) {
  const auto take_turns = [this](int odd) {
    MutexLock lock(mutex_);
    while (value_ < 1000) {
      while (value_ < 1000 && value_ % 2 != odd) changed_.Wait(mutex_);
      ++value_;
      changed_.NotifyAll();
    }
  };
  std::thread other([&] { take_turns(1); });
  take_turns(0);
  other.join();
  MutexLock lock(mutex_);
  EXPECT_GE(value_, 1000);
}

TEST_F(MutexTest, AWaitWhoseTimeIsOverSaysSo) {
  MutexLock lock(mutex_);
  for (const absl::Duration none :
       {absl::ZeroDuration(), absl::Nanoseconds(1), -absl::Seconds(1),
        -absl::InfiniteDuration()}) {
    // A spurious wake-up may come first; the end of the time comes for sure.
    while (changed_.WaitFor(mutex_, none)) {
    }
  }
}

TEST_F(MutexTest, ALongTimeDoesNotOverflow) {
  for (const absl::Duration forever :
       {absl::Hours(24 * 365 * 1000), absl::InfiniteDuration()}) {
    std::thread waiter([&] {
      MutexLock lock(mutex_);
      value_ = 1;
      changed_.NotifyAll();
      while (value_ == 1) {
        EXPECT_TRUE(changed_.WaitFor(mutex_, forever)) << "it ended at once";
      }
    });
    {
      MutexLock lock(mutex_);
      while (value_ != 1) changed_.Wait(mutex_);
      value_ = 2;
      changed_.NotifyAll();
    }
    waiter.join();
  }
}

}  // namespace
}  // namespace aha
