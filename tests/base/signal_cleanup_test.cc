#include "base/signal_cleanup.h"

#include <signal.h>
#include <unistd.h>

#include <atomic>

#include "gtest/gtest.h"

namespace aha {
namespace {

using ::testing::ExitedWithCode;
using ::testing::KilledBySignal;

void Say(const char* text) { ::dprintf(STDERR_FILENO, "%s\n", text); }

// Sends this process a signal and waits for its end.
[[noreturn]] void EndBySignal(int signal) {
  ::kill(::getpid(), signal);
  while (true) ::pause();
}

class SignalCleanupDeathTest : public ::testing::TestWithParam<int> {};

TEST_P(SignalCleanupDeathTest, TheFunctionRunsAndThenTheSignalEndsTheProcess) {
  EXPECT_EXIT(
      {
        const SignalCleanup cleanup([] { Say("cleaned"); });
        EndBySignal(GetParam());
      },
      KilledBySignal(GetParam()), "cleaned");
}

TEST_P(SignalCleanupDeathTest, AnIgnoredSignalStaysIgnored) {
  EXPECT_EXIT(
      {
        ::signal(GetParam(), SIG_IGN);
        {
          const SignalCleanup cleanup([] { Say("cleaned"); });
          ::raise(GetParam());
        }
        ::raise(GetParam());
        Say("alive");
        ::_exit(0);
      },
      ExitedWithCode(0), "^alive");
}

volatile sig_atomic_t handled = 0;
void Handle(int) { handled = handled + 1; }

TEST_P(SignalCleanupDeathTest, AfterItTheSignalsActAsTheyDidBefore) {
  EXPECT_EXIT(
      {
        ::signal(GetParam(), Handle);
        {
          const SignalCleanup cleanup([] { Say("cleaned"); });
        }
        ::raise(GetParam());
        Say("alive");
        ::_exit(handled == 1 ? 0 : 1);
      },
      ExitedWithCode(0), "^alive");
}

// Whoever stops a program asks a second time: that must not cut the cleanup
// off.
TEST_P(SignalCleanupDeathTest, AnotherSignalDoesNotInterruptTheFunction) {
  EXPECT_EXIT(
      {
        const SignalCleanup cleanup([] {
          ::raise(SIGTERM);
          ::kill(::getpid(), SIGINT);
          Say("cleaned to the end");
        });
        EndBySignal(GetParam());
      },
      KilledBySignal(GetParam()), "cleaned to the end");
}

INSTANTIATE_TEST_SUITE_P(Signals, SignalCleanupDeathTest,
                         ::testing::Values(SIGINT, SIGTERM, SIGHUP));

TEST(SignalCleanupTest, WithoutASignalTheFunctionDoesNotRun) {
  std::atomic<bool> ran = false;
  {
    const SignalCleanup cleanup([&] { ran = true; });
  }
  EXPECT_FALSE(ran);
}

TEST(SignalCleanupOneAfterAnotherDeathTest, TheLaterFunctionRuns) {
  EXPECT_EXIT(
      {
        {
          const SignalCleanup first([] { Say("first"); });
        }
        const SignalCleanup second([] { Say("second"); });
        EndBySignal(SIGTERM);
      },
      KilledBySignal(SIGTERM), "^second");
}

}  // namespace
}  // namespace aha
