// Shows a run that another machine holds: ahactl fetches its files and removes
// them afterwards.
#include <signal.h>
#include <stdlib.h>

#include <filesystem>
#include <fstream>
#include <memory>

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "absl/time/time.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "tests/integration/local_cluster.h"
#include "tests/integration/small_job.h"

namespace aha::testing {
namespace {

namespace fs = std::filesystem;

using ::testing::HasSubstr;

class RemoteRunTest : public ::testing::Test {
 protected:
  // The path of the runs contains characters that JSON must escape.
  RemoteRunTest() : runs_(scratch_.path() + "/q\"z\\y") {
    Write(runs_ + "/small/job.yaml", kSmallJob);
    Write(runs_ + "/small/summary.json",
          R"({"job": "small", "state": "succeeded"})");
    Write(runs_ + "/small/checkpoints/step-000001/manifest.json", "{}");
    Write(runs_ + "/small/logs/actor-0.log", "first line\n");
    coordinator_ = std::make_unique<Service>(
        std::vector<std::string>{Binary("aha-coordinator"), "--runs", runs_,
                                 "--listen", "127.0.0.1:0"},
        scratch_.path() + "/coordinator.out");
    address_ = AwaitEndpoint(runs_);
    // ahactl puts here what it fetches.
    fs::create_directories(Temporary());
    ::setenv("TMPDIR", Temporary().c_str(), /*overwrite=*/1);
  }
  ~RemoteRunTest() override { ::unsetenv("TMPDIR"); }

  static void Write(const std::string& path, const std::string& text) {
    fs::create_directories(fs::path(path).parent_path());
    std::ofstream(path) << text;
  }
  std::string Temporary() const { return scratch_.path() + "/tmp"; }
  std::vector<std::string> Command(std::vector<std::string> words) const {
    words.insert(words.begin(), {Binary("ahactl"), "--address", address_});
    return words;
  }

  TempDir scratch_;
  std::string runs_;
  std::string address_;
  std::unique_ptr<Service> coordinator_;
};

TEST_F(RemoteRunTest, ADirectoryWithAQuoteInItsNameIsDescribed) {
  for (const char* format : {"json", "yaml", "table"}) {
    const CommandResult said =
        RunCommand(Command({"job", "describe", "small", "-o", format}));
    EXPECT_EQ(said.exit_code, 0) << said.output;
    if (std::string(format) != "json") continue;
    const auto job = nlohmann::json::parse(said.output, nullptr, false);
    ASSERT_TRUE(job.is_object()) << said.output;
    EXPECT_EQ(job["run_directory"], runs_ + "/small");
    ASSERT_EQ(job["checkpoints"].size(), 1u) << said.output;
    EXPECT_THAT(job["checkpoints"][0].get<std::string>(),
                HasSubstr("step-000001"));
  }
  EXPECT_TRUE(fs::is_empty(Temporary()));
}

TEST_F(RemoteRunTest, NothingFetchedIsLeftByCtrlC) {
  for (const int signal : {SIGINT, SIGTERM, SIGHUP}) {
    // The signal comes at the start and while it follows.
    for (const std::string line : {"", "first line"}) {
      const std::string out =
          absl::StrCat(scratch_.path(), "/", signal, line, ".out");
      Service logs(Command({"job", "logs", "small", "-f"}), out);
      ASSERT_TRUE(Eventually(
          [&] {
            return !fs::is_empty(Temporary()) &&
                   absl::StrContains(ReadFileOrEmpty(out), line);
          },
          absl::Minutes(1)))
          << ReadFileOrEmpty(out);
      logs.Signal(signal);
      EXPECT_EQ(logs.Wait(absl::Seconds(60)), -signal);
      EXPECT_TRUE(fs::is_empty(Temporary())) << signal;
    }
  }
}

}  // namespace
}  // namespace aha::testing
