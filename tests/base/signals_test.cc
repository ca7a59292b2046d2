#include "base/signals.h"

#include <signal.h>
#include <sys/resource.h>
#include <unistd.h>

#include <atomic>
#include <cerrno>
#include <cstdint>
#include <cstdio>
#include <latch>
#include <thread>

#include "absl/time/time.h"
#include "gtest/gtest.h"

namespace aha::rpc {
namespace {

using ::testing::ExitedWithCode;

// The test of each sentence is a process of its own: a watcher blocks signals
// for good.
void Send(int signal) { ::kill(::getpid(), signal); }

TEST(SignalWatcherDeathTest, EachSignalIsACallOnAnotherThread) {
  EXPECT_EXIT(
      {
        std::latch term(1);
        std::latch interrupt(1);
        const std::thread::id here = std::this_thread::get_id();
        std::atomic<bool> elsewhere = true;
        const SignalWatcher watcher([&](int number) {
          elsewhere = elsewhere && std::this_thread::get_id() != here;
          (number == SIGTERM ? term : interrupt).count_down();
        });
        Send(SIGTERM);
        term.wait();
        Send(SIGINT);
        interrupt.wait();
        ::_exit(elsewhere ? 0 : 1);
      },
      ExitedWithCode(0), "got SIGTERM from pid [0-9]+\n.*got SIGINT from pid");
}

TEST(SignalWatcherDeathTest, ThreadsThatStartLaterAreNotEndedBySignals) {
  EXPECT_EXIT(
      {
        std::latch called(1);
        const SignalWatcher watcher([&](int) { called.count_down(); });
        std::thread other([] { ::raise(SIGTERM); });
        other.join();
        // The signal of a thread waits for it; that of the process is a call.
        Send(SIGTERM);
        called.wait();
        ::_exit(0);
      },
      ExitedWithCode(0), "");
}

// A clock that the test moves between the signals.
class Repeat {
 public:
  explicit Repeat(SignalAgain again)
      : watcher_(
            [this](int) {
              calls_.fetch_add(1);
              calls_.notify_all();
            },
            again,
            [this] {
              return absl::UnixEpoch() + absl::Milliseconds(now_ms_.load());
            }) {}
  // Sends a signal so much later than the one before it, and waits for its
  // call.
  void Ask(int signal, int64_t after_ms) {
    now_ms_ += after_ms;
    const int before = calls_;
    Send(signal);
    calls_.wait(before);
  }
  int calls() const { return calls_; }

 private:
  std::atomic<int64_t> now_ms_ = 0;
  std::atomic<int> calls_ = 0;
  const SignalWatcher watcher_;
};

TEST(SignalWatcherDeathTest, ASecondRequestEndsTheProcessIfItIsToldSo) {
  EXPECT_EXIT(
      {
        Repeat repeat(SignalAgain::kEndsTheProcess);
        repeat.Ask(SIGINT, 0);
        // The same request, sent to the process and to its group.
        repeat.Ask(SIGINT, 999);
        if (repeat.calls() != 2) ::_exit(1);
        repeat.Ask(SIGTERM, 1);
        ::_exit(2);  // The end comes before a call does.
      },
      ExitedWithCode(128 + SIGTERM), "asked to stop again");
}

TEST(SignalWatcherDeathTest, ASecondRequestIsACallOtherwise) {
  EXPECT_EXIT(
      {
        Repeat repeat(SignalAgain::kIsACall);
        repeat.Ask(SIGTERM, 0);
        repeat.Ask(SIGTERM, 3'600'000);
        ::_exit(repeat.calls() == 2 ? 0 : 1);
      },
      ExitedWithCode(0), "");
}

TEST(SignalWatcherDeathTest, NothingIsCalledAfterItIsGone) {
  EXPECT_EXIT(
      {
        {
          const SignalWatcher watcher([](int) { ::_exit(1); });
        }
        Send(SIGTERM);  // It stays blocked.
        ::_exit(0);
      },
      ExitedWithCode(0), "");
}

TEST(SignalWatcherDeathTest, APipeWithoutAReaderIsAnError) {
  EXPECT_EXIT(
      {
        const SignalWatcher watcher([](int) {});
        int ends[2];
        if (::pipe(ends) != 0) ::_exit(2);
        ::close(ends[0]);
        const bool failed = ::write(ends[1], "x", 1) < 0 && errno == EPIPE;
        ::_exit(failed ? 0 : 1);
      },
      ExitedWithCode(0), "");
}

TEST(SignalWatcherDeathTest, AFileAtItsSizeLimitIsAnError) {
  EXPECT_EXIT(
      {
        const SignalWatcher watcher([](int) {});
        rlimit none{};
        ::getrlimit(RLIMIT_FSIZE, &none);
        none.rlim_cur = 0;
        std::FILE* file = std::tmpfile();
        if (file == nullptr || ::setrlimit(RLIMIT_FSIZE, &none) != 0) {
          ::_exit(2);
        }
        const bool failed =
            ::write(::fileno(file), "x", 1) < 0 && errno == EFBIG;
        ::_exit(failed ? 0 : 1);
      },
      ExitedWithCode(0), "");
}

}  // namespace
}  // namespace aha::rpc
