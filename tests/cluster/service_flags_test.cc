#include "cluster/service_flags.h"

#include <signal.h>
#include <unistd.h>

#include <CLI/CLI.hpp>
#include <thread>
#include <vector>

#include "base/cancellation.h"
#include "base/signals.h"
#include "gtest/gtest.h"

namespace aha::rpc {
namespace {

std::optional<int> Parse(std::vector<const char*> arguments,
                         ServiceFlags& flags) {
  CLI::App app("test", "aha-test");
  AddServiceFlags(app, DialsCoordinator::kYes, flags);
  arguments.insert(arguments.begin(), "aha-test");
  return ParseServiceFlags(app, static_cast<int>(arguments.size()),
                           const_cast<char**>(arguments.data()), flags);
}

TEST(ServiceFlagsTest, ParsesTheFlagsThatTheServicesShare) {
  ServiceFlags flags;
  EXPECT_EQ(Parse({"--coordinator", "127.0.0.1:5", "--name", "actor-0"}, flags),
            std::nullopt);
  EXPECT_EQ(flags.coordinator, "127.0.0.1:5");
  EXPECT_EQ(flags.listen, "127.0.0.1:0");
}

TEST(ServiceFlagsTest, RefusesWithTheCodeThatSaysDoNotRestart) {
  ServiceFlags flags;
  EXPECT_EQ(Parse({}, flags), kExitRefused);
  EXPECT_EQ(Parse({"--coordinator", "nowhere"}, flags), kExitRefused);
  EXPECT_EQ(Parse({"--coordinator", "a:1", "--unknown"}, flags), kExitRefused);
  EXPECT_EQ(Parse({"--coordinator", "a:1", "--tls-key", "k"}, flags),
            kExitRefused);
}

TEST(ServiceFlagsTest, HelpAndVersionAreNotErrors) {
  ServiceFlags flags;
  EXPECT_EQ(Parse({"--version"}, flags), 0);
  EXPECT_EQ(Parse({"--help"}, flags), 0);
}

TEST(ExitCodeTest, RefusalsAreNotRestartedAndFailuresAre) {
  EXPECT_EQ(ExitCode(absl::OkStatus()), 0);
  EXPECT_EQ(ExitCode(absl::FailedPreconditionError("certificate")), 78);
  EXPECT_EQ(ExitCode(absl::UnimplementedError("no coordinator")), 78);
  EXPECT_EQ(ExitCode(absl::UnavailableError("coordinator away")), 1);
}

// The death test runs in a process of its own, where threads of other tests do
// not block the signal.
TEST(SignalWatcherDeathTest, ASignalBecomesACall) {
  ::testing::FLAGS_gtest_death_test_style = "threadsafe";
  EXPECT_EXIT(
      {
        SignalWatcher watcher([](int number) { _exit(number); });
        kill(getpid(), SIGTERM);
        while (true) std::this_thread::yield();
      },
      ::testing::ExitedWithCode(SIGTERM), "");
}

TEST(SignalWatcherDeathTest, ALaterSecondSignalEndsTheProcessAtOnce) {
  ::testing::FLAGS_gtest_death_test_style = "threadsafe";
  EXPECT_EXIT(
      {
        SignalWatcher watcher([](int) {}, SignalAgain::kEndsTheProcess);
        while (true) kill(getpid(), SIGTERM);
      },
      ::testing::ExitedWithCode(128 + SIGTERM), "ends at once");
}

TEST(CancellationTest, CallsBackOnceAndLateRegistrationsAtOnce) {
  Cancellation cancel;
  int calls = 0;
  Cancellation::Registration first(&cancel, [&] { ++calls; });
  {
    Cancellation::Registration gone(&cancel, [&] { calls += 100; });
  }
  cancel.Cancel();
  cancel.Cancel();
  EXPECT_EQ(calls, 1);
  Cancellation::Registration late(&cancel, [&] { ++calls; });
  EXPECT_EQ(calls, 2);
  EXPECT_TRUE(cancel.SleepFor(absl::Hours(1)));
}

}  // namespace
}  // namespace aha::rpc
