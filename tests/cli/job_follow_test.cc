// The commands that wait or follow, on the files of a run.
#include "cli/commands/job_follow.h"

#include <filesystem>
#include <nlohmann/json.hpp>

#include "absl/strings/str_cat.h"
#include "cli/term/exit_code.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "tests/temp_dir.h"

namespace aha::cli {
namespace {

using ::testing::AllOf;
using ::testing::HasSubstr;

class JobFollowTest : public ::testing::Test {
 protected:
  JobFollowTest() {
    dir_.Write("job.yaml", "name: tiny\n");
    target_.dir = dir_.path();
  }
  void WriteSummary(const std::string& state, const std::string& more = "") {
    dir_.Write("summary.json", absl::StrCat(R"({"job": "tiny", "state": ")",
                                            state, "\"", more, "}"));
  }
  // Runs a command; what it wrote is in out_ and err_ then.
  template <class Command>
  int Call(const Command& command) {
    ::testing::internal::CaptureStdout();
    ::testing::internal::CaptureStderr();
    const int code = command();
    std::fflush(stdout);
    out_ = ::testing::internal::GetCapturedStdout();
    err_ = ::testing::internal::GetCapturedStderr();
    return code;
  }
  int Wait(Output output = Output::kTable) {
    return Call([&] { return WaitForJob(target_, 0, output); });
  }

  const TempDir dir_;
  Target target_;
  std::string out_;
  std::string err_;
};

TEST_F(JobFollowTest, WaitingForAJobThatSucceededIsDone) {
  WriteSummary("succeeded");
  EXPECT_EQ(Wait(), kExitDone);
  EXPECT_EQ(out_, "job/tiny succeeded\n");
  EXPECT_EQ(err_, "");
}

TEST_F(JobFollowTest, WaitingForAJobThatFailedSaysWhy) {
  WriteSummary("failed", R"(, "problem": "learner-0\nwaited")");
  EXPECT_EQ(Wait(), kExitJobFailed);
  EXPECT_EQ(err_, "ahactl: job tiny failed: learner-0\\nwaited\n");
  WriteSummary("failed");
  EXPECT_EQ(Wait(), kExitJobFailed);
  EXPECT_THAT(err_, HasSubstr("no reason was given"));
}

TEST_F(JobFollowTest, WaitingForAJobThatDidNotEndSaysHowToContinueIt) {
  WriteSummary("stopped");
  EXPECT_EQ(Wait(), kExitInterrupted);
  EXPECT_THAT(err_, HasSubstr("continue it with `ahactl run --resume --dir " +
                              dir_.path() + "`"));
  std::filesystem::remove(dir_ / "summary.json");
  EXPECT_EQ(Wait(), kExitUnavailable);
  EXPECT_THAT(err_, HasSubstr("are gone before its end"));
}

TEST_F(JobFollowTest, AWaitAsJsonIsTheJob) {
  WriteSummary("succeeded", R"(, "checksum": "c0ffee")");
  EXPECT_EQ(Wait(Output::kJson), kExitDone);
  EXPECT_EQ((*ParseStoredJson(out_, "stdout"))["checksum"], "c0ffee");
}

TEST_F(JobFollowTest, AJobElsewhereIsContinuedThere) {
  target_.dir = "";
  target_.admin.address = "coordinator:7000";
  EXPECT_THAT(HowToContinue(target_, {}), HasSubstr("ahactl submit --resume"));
}

TEST_F(JobFollowTest, WatchingAJobThatHasEndedShowsItOnce) {
  WriteSummary("succeeded", R"(, "seconds": 61, "stages": [
      {"name": "zero", "type": "grpo", "steps_done": 4, "steps_total": 4,
       "seconds": 60, "done": true}])");
  EXPECT_EQ(Call([&] { return WatchJob(target_, Output::kTable); }), kExitDone);
  EXPECT_EQ(out_,
            "[ 1m 01s] zero steps 4/4  done in 1m 00s\n"
            "[ 1m 01s] job tiny: succeeded\n");
  EXPECT_EQ(Call([&] { return WatchJob(target_, Output::kJson); }), kExitDone);
  EXPECT_EQ((*ParseStoredJson(out_, "stdout"))["state"], "succeeded");
}

TEST_F(JobFollowTest, AMissingJobIsNotFound) {
  target_.dir = dir_ / "none";
  EXPECT_EQ(Wait(), kExitNotFound);
  EXPECT_EQ(Call([&] { return WatchJob(target_, Output::kTable); }),
            kExitNotFound);
  EXPECT_EQ(Call([&] { return PrintLogs(target_, {}, {}, Output::kTable); }),
            kExitNotFound);
}

TEST_F(JobFollowTest, LogsOfSeveralProcessesAreNamedAndOfOneAreNot) {
  dir_.Write("logs/actor-0.log", "one\n\x1b[2J\n");
  dir_.Write("logs/learner-0.log", "two\n");
  const auto logs = [&](const std::vector<std::string>& processes) {
    return Call(
        [&] { return PrintLogs(target_, processes, {}, Output::kTable); });
  };
  EXPECT_EQ(logs({}), kExitDone);
  EXPECT_EQ(out_, "actor-0 | one\nactor-0 | \\x1b[2J\nlearner-0 | two\n");
  EXPECT_EQ(logs({"learner-0"}), kExitDone);
  EXPECT_EQ(out_, "two\n");
  EXPECT_EQ(logs({"actor-9"}), kExitNotFound);
  EXPECT_THAT(err_, AllOf(HasSubstr("no log of process \"actor-9\""),
                          HasSubstr("there are: actor-0, learner-0")));
}

TEST_F(JobFollowTest, LogsAsJsonAreAListOfLines) {
  dir_.Write("logs/actor-0.log", "one\ntwo\n");
  Call([&] { return PrintLogs(target_, {}, {.lines = 1}, Output::kJson); });
  EXPECT_EQ(*ParseStoredJson(out_, "stdout"),
            (Json::array({{{"process", "actor-0"}, {"line", "two"}}})));
}

TEST_F(JobFollowTest, EventsAreTextForPeopleAndThemselvesAsJson) {
  dir_.Write("events.jsonl",
             "{\"event\":\"joined\",\"text\":\"actor-0\"}\ntorn {\n");
  const auto events = [&](Output output) {
    return Call([&] { return PrintEvents(target_, {}, output); });
  };
  EXPECT_EQ(events(Output::kTable), kExitDone);
  EXPECT_EQ(out_, "  joined  actor-0\ntorn {\n");
  EXPECT_EQ(events(Output::kJson), kExitDone);
  const Json json = *ParseStoredJson(out_, "stdout");
  EXPECT_EQ(json[0]["event"], "joined");
  EXPECT_EQ(json[1]["broken"], "torn {");
}

}  // namespace
}  // namespace aha::cli
