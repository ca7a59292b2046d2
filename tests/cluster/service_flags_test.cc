#include "cluster/service_flags.h"

#include <signal.h>
#include <unistd.h>

#include <CLI/CLI.hpp>
#include <atomic>
#include <cstdlib>
#include <iostream>
#include <optional>
#include <sstream>
#include <string>
#include <thread>
#include <vector>

#include "base/address.h"
#include "base/cancellation.h"
#include "base/signals.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"

namespace aha::rpc {
namespace {

using ::testing::AllOf;
using ::testing::HasSubstr;

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

// Parses, and returns what was printed for people.
std::string ErrorOf(const std::vector<const char*>& arguments) {
  std::ostringstream text;
  std::streambuf* const before = std::cerr.rdbuf(text.rdbuf());
  ServiceFlags flags;
  EXPECT_EQ(Parse(arguments, flags), kExitRefused);
  std::cerr.rdbuf(before);
  return text.str();
}

TEST(ServiceFlagsTest, ABadValueIsNamedWithItsFlag) {
  for (const char* flag :
       {"--listen", "--metrics-listen", "--health-listen", "--coordinator"}) {
    const std::string error =
        std::string(flag) == "--coordinator"
            ? ErrorOf({"--coordinator", "host:70000"})
            : ErrorOf({"--coordinator", "a:1", flag, "host:70000"});
    EXPECT_THAT(error, AllOf(HasSubstr("aha-test: "), HasSubstr(flag),
                             HasSubstr("'host:70000'")));
  }
  EXPECT_THAT(ErrorOf({"--coordinator", "a:1", "--log-level", "loud"}),
              AllOf(HasSubstr("--log-level"), HasSubstr("loud")));
  EXPECT_THAT(ErrorOf({}), HasSubstr("--coordinator is required"));
}

TEST(ServiceFlagsTest, AFlagMayComeFromTheEnvironmentAndTheCommandLineWins) {
  setenv("AHA_COORDINATOR", "127.0.0.1:5", 1);
  setenv("AHA_NAME", "actor-1", 1);
  setenv("AHA_LINGER", "true", 1);
  ServiceFlags flags;
  EXPECT_EQ(Parse({"--name", "actor-2"}, flags), std::nullopt);
  EXPECT_EQ(flags.coordinator, "127.0.0.1:5");
  EXPECT_EQ(flags.name, "actor-2");
  EXPECT_TRUE(flags.linger);
  // A child process of a service gets its settings from its command line only.
  setenv("AHA_JOB", "job.yaml", 1);
  setenv("AHA_UNRELATED", "stays", 1);
  ForgetServiceEnvironment();
  for (const char* name :
       {"AHA_COORDINATOR", "AHA_NAME", "AHA_LINGER", "AHA_JOB"}) {
    EXPECT_EQ(getenv(name), nullptr) << name;
  }
  EXPECT_STREQ(getenv("AHA_UNRELATED"), "stays");
  unsetenv("AHA_UNRELATED");
}

TEST(ServiceFlagsTest, TheCoordinatorItselfDialsNone) {
  ServiceFlags flags;
  CLI::App app("test", "aha-test");
  AddServiceFlags(app, DialsCoordinator::kNo, flags);
  EXPECT_EQ(app.get_option_no_throw("--coordinator"), nullptr);
  EXPECT_NE(app.get_option_no_throw("--listen"), nullptr);
}

TEST(RunServiceTest, ServesHealthWhileItRunsAndReturnsTheExitCode) {
  ServiceFlags flags;
  flags.health_listen = "127.0.0.1:0";
  Cancellation terminated;
  EXPECT_EQ(RunService(flags, terminated,
                       [&](Cancellation&) -> absl::Status {
                         const std::string address =
                             FormatAddress({.host = "127.0.0.1",
                                            .port = flags.health->port()});
                         EXPECT_TRUE(*IsServing(address, "liveness",
                                                absl::Seconds(20)));
                         return absl::UnavailableError("lost");
                       }),
            1);
  const auto taken = *HealthServer::Start("127.0.0.1:0");
  flags.health_listen =
      FormatAddress({.host = "127.0.0.1", .port = taken->port()});
  EXPECT_EQ(RunService(flags, terminated,
                       [](Cancellation&) {
                         ADD_FAILURE() << "the port is in use";
                         return absl::OkStatus();
                       }),
            kExitRefused);
}

TEST(RunServiceTest, TerminationStopsTheServiceAndALingeringOneWaitsForIt) {
  ServiceFlags flags;
  flags.linger = true;
  Cancellation terminated;
  std::atomic<bool> done = false;
  std::thread terminator([&] {
    while (!done) std::this_thread::yield();
    terminated.Cancel();
  });
  EXPECT_EQ(RunService(flags, terminated,
                       [&](Cancellation& stop) {
                         EXPECT_FALSE(stop.cancelled());
                         done = true;
                         return absl::OkStatus();
                       }),
            0);
  EXPECT_TRUE(terminated.cancelled());
  terminator.join();
  EXPECT_EQ(RunService(flags, terminated,
                       [](Cancellation& stop) {
                         EXPECT_TRUE(stop.cancelled());
                         return absl::OkStatus();
                       }),
            0);
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
