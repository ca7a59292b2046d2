#include "coordinator/poller.h"

#include <atomic>
#include <latch>
#include <string>
#include <thread>
#include <vector>

#include "absl/time/time.h"
#include "base/mutex.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"

namespace aha::coordinator {
namespace {

using ::testing::ElementsAre;

constexpr absl::Duration kForever = absl::Hours(100);

TEST(PollerTest, StopAnswersParkedAndLaterCalls) {
  std::vector<Attempt> waited;
  std::vector<Attempt> late;
  Poller poller(absl::Seconds(100), [](bool) {});
  const auto note = [](std::vector<Attempt>& seen) {
    return [&seen](Attempt which) {
      if (which == Attempt::kMore) return false;
      seen.push_back(which);
      return true;
    };
  };
  poller.Park(absl::Seconds(100), note(waited));
  poller.Stop();
  EXPECT_THAT(waited, ElementsAre(Attempt::kStopping));
  poller.Park(absl::Seconds(100), note(late));
  EXPECT_THAT(late, ElementsAre(Attempt::kStopping));
}

// Neither the interval nor the time of the call ends it.
TEST(PollerTest, AKickAnswersTheCallThatWaitedForIt) {
  Poller poller(kForever, [](bool) {});
  std::atomic<bool> changed = false;
  std::latch asked(1), answered(1);
  std::atomic<bool> first = true;
  poller.Park(kForever, [&](Attempt which) {
    EXPECT_EQ(which, Attempt::kMore);
    if (first.exchange(false)) asked.count_down();
    if (!changed) return false;
    answered.count_down();
    return true;
  });
  asked.wait();
  changed = true;
  poller.Kick();
  answered.wait();
}

// The change came between the caller's own attempt and its parking.
TEST(PollerTest, ACallThatIsParkedIsAttemptedAtOnce) {
  Poller poller(kForever, [](bool) {});
  std::latch asked(1);
  poller.Park(kForever, [&](Attempt) {
    asked.count_down();
    return true;
  });
  asked.wait();
}

TEST(PollerTest, ACallWhoseTimeIsOverIsAnsweredForTheLastTime) {
  Poller poller(kForever, [](bool) {});
  for (const absl::Duration none :
       {absl::ZeroDuration(), absl::Milliseconds(1), -absl::Seconds(1)}) {
    std::latch answered(1);
    poller.Park(none, [&](Attempt which) {
      if (which != Attempt::kLast) return false;
      answered.count_down();
      return true;
    });
    answered.wait();
  }
}

TEST(PollerTest, AnAnswerIsGivenOnce) {
  std::atomic<int> answers = 0;
  {
    Poller poller(absl::Milliseconds(1), [](bool) {});
    std::latch answered(1);
    poller.Park(kForever, [&](Attempt) {
      if (++answers == 1) answered.count_down();
      return true;
    });
    answered.wait();
    for (int i = 0; i < 100; ++i) poller.Kick();
  }
  EXPECT_EQ(answers, 1);
}

// What one call took, for example, another call gives back.
TEST(PollerTest, AnAnswerLetsTheOthersBeAttemptedAgain) {
  Poller poller(kForever, [](bool) {});
  std::atomic<bool> open = false;
  std::latch answered(1);
  poller.Park(kForever, [&](Attempt) {
    if (!open) return false;
    answered.count_down();
    return true;
  });
  poller.Park(kForever, [&](Attempt) {
    open = true;  // After the first call was attempted in this round.
    return true;
  });
  answered.wait();
}

TEST(PollerTest, CallsThatWaitAreAttemptedInTheOrderOfTheirParking) {
  Mutex mutex;
  std::string order;
  std::atomic<bool> open = false;
  std::latch answered(3);
  Poller poller(kForever, [](bool) {});
  for (const char name : {'a', 'b', 'c'}) {
    poller.Park(kForever, [&, name](Attempt) {
      if (!open) return false;
      {
        MutexLock lock(mutex);
        order += name;
      }
      answered.count_down();
      return true;
    });
  }
  open = true;
  poller.Kick();
  answered.wait();
  poller.Stop();
  // The gate may open in the middle of a round, whose rest is then answered
  // before its beginning.
  MutexLock lock(mutex);
  EXPECT_THAT(order, ::testing::AnyOf("abc", "bca", "cab"));
}

TEST(PollerTest, AnAttemptMayKickAndPark) {
  Poller poller(kForever, [](bool) {});
  std::latch inner(1);
  poller.Park(kForever, [&](Attempt) {
    poller.Kick();
    poller.Park(kForever, [&](Attempt) {
      inner.count_down();
      return true;
    });
    return true;
  });
  inner.wait();
}

TEST(PollerTest, TheTickSaysWhetherAnythingChanged) {
  std::atomic<int> ticks = 0, changes = 0;
  Poller poller(absl::Milliseconds(1), [&](bool changed) {
    if (changed) changes.fetch_add(1);
    ticks.fetch_add(1);
    ticks.notify_all();
  });
  const auto wait_for_ticks = [&ticks](int more) {
    const int until = ticks + more;
    for (int now = ticks; now < until; now = ticks) ticks.wait(now);
  };
  wait_for_ticks(1);
  EXPECT_EQ(changes, 1) << "the first one shows everything";
  wait_for_ticks(5);
  EXPECT_EQ(changes, 1);
  poller.Kick();
  wait_for_ticks(2);
  EXPECT_EQ(changes, 2);
  poller.Stop();
  const int at_the_end = ticks;
  poller.Kick();
  EXPECT_EQ(ticks, at_the_end);
}

TEST(PollerTest, StoppingTwiceIsStoppingOnce) {
  Poller poller(kForever, [](bool) {});
  poller.Stop();
  poller.Stop();
}

// Calls come from many threads while it stops; each is answered exactly once.
TEST(PollerTest, NoCallIsLostWhileItStops) {
  for (int round = 0; round < 20; ++round) {
    std::atomic<int> answers = 0;
    Poller poller(absl::Milliseconds(1), [](bool) {});
    std::vector<std::thread> callers;
    for (int c = 0; c < 3; ++c) {
      callers.emplace_back([&] {
        for (int i = 0; i < 30; ++i) {
          poller.Park(kForever, [&](Attempt which) {
            if (which == Attempt::kMore) return false;
            ++answers;
            return true;
          });
        }
      });
    }
    poller.Stop();
    for (std::thread& caller : callers) caller.join();
    ASSERT_EQ(answers, 90);
  }
}

}  // namespace
}  // namespace aha::coordinator
