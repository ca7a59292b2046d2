#include "base/cancellation.h"

#include <atomic>
#include <latch>
#include <memory>
#include <thread>
#include <vector>

#include "gmock/gmock.h"
#include "gtest/gtest.h"

namespace aha::rpc {
namespace {

using ::testing::UnorderedElementsAre;

TEST(CancellationTest, EachCallbackRunsOnceHoweverOftenItIsCancelled) {
  Cancellation stop;
  std::vector<int> ran;
  const Cancellation::Registration one(&stop, [&] { ran.push_back(1); });
  const Cancellation::Registration two(&stop, [&] { ran.push_back(2); });
  EXPECT_FALSE(stop.cancelled());
  EXPECT_TRUE(ran.empty());
  stop.Cancel();
  stop.Cancel();
  EXPECT_TRUE(stop.cancelled());
  EXPECT_THAT(ran, UnorderedElementsAre(1, 2));
}

TEST(CancellationTest, ACallbackRunsOnTheThreadThatCancels) {
  Cancellation stop;
  std::thread::id ran_on;
  const Cancellation::Registration note(
      &stop, [&] { ran_on = std::this_thread::get_id(); });
  std::thread canceller([&] { stop.Cancel(); });
  const std::thread::id expected = canceller.get_id();
  canceller.join();
  EXPECT_EQ(ran_on, expected);
}

TEST(CancellationTest, ALateRegistrationRunsAtOnce) {
  Cancellation stop;
  stop.Cancel();
  int ran = 0;
  const Cancellation::Registration late(&stop, [&] { ++ran; });
  EXPECT_EQ(ran, 1);
}

// A callback registers another one: the switch is on by then, and its lock is
// free.
TEST(CancellationTest, ACallbackMayRegisterAnother) {
  Cancellation stop;
  int inner = 0;
  std::unique_ptr<Cancellation::Registration> later;
  const Cancellation::Registration outer(&stop, [&] {
    EXPECT_TRUE(stop.cancelled());
    later =
        std::make_unique<Cancellation::Registration>(&stop, [&] { ++inner; });
  });
  stop.Cancel();
  EXPECT_EQ(inner, 1);
}

TEST(CancellationTest, WhatWasDestroyedIsNotCalled) {
  Cancellation stop;
  int ran = 0;
  {
    const Cancellation::Registration gone(&stop, [&] { ++ran; });
  }
  const Cancellation::Registration kept(&stop, [&] { ran += 10; });
  stop.Cancel();
  EXPECT_EQ(ran, 10);
}

TEST(CancellationTest, WithoutASwitchNothingIsCalled) {
  const Cancellation::Registration never(nullptr, [] { FAIL(); });
}

TEST(CancellationTest, TheDestructorWaitsForACallbackThatRuns) {
  Cancellation stop;
  std::latch entered(1), leave(1);
  std::atomic<bool> done = false;
  auto slow = std::make_unique<Cancellation::Registration>(&stop, [&] {
    entered.count_down();
    leave.wait();
    done = true;
  });
  std::thread canceller([&] { stop.Cancel(); });
  entered.wait();
  std::thread destroyer([&] {
    slow.reset();
    EXPECT_TRUE(done) << "the callback still used what its owner destroys";
  });
  leave.count_down();
  destroyer.join();
  canceller.join();
}

TEST(CancellationTest, ASleepEndsAtItsTimeOrAtTheCancellation) {
  Cancellation stop;
  EXPECT_FALSE(stop.SleepFor(absl::Nanoseconds(1)));
  EXPECT_FALSE(stop.SleepFor(absl::ZeroDuration()));
  EXPECT_FALSE(stop.SleepFor(-absl::Hours(1)));
  EXPECT_FALSE(stop.SleepFor(-absl::InfiniteDuration()));
  std::atomic<int> woken = 0;
  std::vector<std::thread> sleepers;
  for (const absl::Duration time :
       {absl::Hours(1), absl::Hours(1 << 20), absl::InfiniteDuration()}) {
    sleepers.emplace_back([&, time] { woken += stop.SleepFor(time) ? 1 : 0; });
  }
  stop.Cancel();
  for (std::thread& sleeper : sleepers) sleeper.join();
  EXPECT_EQ(woken, 3);
  EXPECT_TRUE(stop.SleepFor(absl::InfiniteDuration())) << "it stays cancelled";
}

// Registrations are made and ended on several threads while another one
// cancels; each callback runs at most once, and none after its registration is
// gone.
TEST(CancellationTest, RegistrationsRaceWithTheCancellation) {
  for (int round = 0; round < 50; ++round) {
    Cancellation stop;
    std::atomic<int> late_calls = 0;
    std::vector<std::thread> threads;
    for (int t = 0; t < 3; ++t) {
      threads.emplace_back([&] {
        for (int i = 0; i < 50; ++i) {
          auto alive = std::make_shared<std::atomic<bool>>(true);
          std::atomic<int> calls = 0;
          {
            const Cancellation::Registration one(&stop, [&, alive] {
              ++calls;
              if (!*alive) ++late_calls;
            });
          }
          *alive = false;
          EXPECT_LE(calls, 1);
        }
      });
    }
    stop.Cancel();
    for (std::thread& thread : threads) thread.join();
    ASSERT_EQ(late_calls, 0);
  }
}

}  // namespace
}  // namespace aha::rpc
