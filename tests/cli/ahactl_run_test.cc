// `ahactl run`: the cluster it starts, and how that ends.
#include <signal.h>
#include <sys/wait.h>

#include <nlohmann/json.hpp>

#include "absl/strings/match.h"
#include "absl/strings/str_replace.h"
#include "base/file_io.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "tests/cli/ahactl_fixture.h"

namespace aha::cli {
namespace {

using ::testing::HasSubstr;
using ::testing::Not;
using AhactlRunTest = AhactlTest;

TEST_F(AhactlRunTest, ARunEndsWithItsReportAndChecksum) {
  const pid_t run = StartRun();
  ASSERT_TRUE(Up());
  services_.End(0);
  const Outcome outcome = Finish(run);
  EXPECT_EQ(outcome.code, 0) << outcome.err;
  EXPECT_THAT(outcome.out, HasSubstr("job tiny succeeded"));
  EXPECT_THAT(outcome.out, HasSubstr("\nchecksum c0ffee\n"));
  EXPECT_THAT(outcome.out, Not(HasSubstr("\x1b")));
  const auto summary = ReadJsonFile(services_.run_dir() + "/summary.json");
  EXPECT_GT(NumberOr(*summary, "peak_rss_bytes", 0), 1e6);
}

TEST_F(AhactlRunTest, NothingSurvivesASigkillOfAhactl) {
  const pid_t run = StartRun();
  ASSERT_TRUE(Up());
  const std::vector<pid_t> pids = ClusterPids();
  for (pid_t pid : pids) ASSERT_TRUE(run::ProcessIsAlive(pid));
  ::kill(run, SIGKILL);
  EXPECT_TRUE(AllGone(pids));
}

TEST_F(AhactlRunTest, AKilledActorIsRestartedAndTheEventIsKept) {
  const pid_t run = StartRun();
  ASSERT_TRUE(Up());
  const pid_t first = services_.PidOf("actor-0");
  ::kill(first, SIGKILL);
  ASSERT_TRUE(FakeServices::Eventually(
      [&] { return services_.PidOf("actor-0") != first; }));
  services_.End(0);
  const Outcome outcome = Finish(run);
  EXPECT_EQ(outcome.code, 0);
  EXPECT_THAT(outcome.out, HasSubstr("actor-0 died: signal 9 (Killed)"));
  EXPECT_THAT(*ReadWholeFile(services_.run_dir() + "/events.jsonl"),
              HasSubstr("\"event\":\"process restarted\""));
}

TEST_F(AhactlRunTest, ASecondInterruptKillsAtOnce) {
  services_.dir().Write("bin/stubborn", "");
  services_.Install(
      "aha-coordinator",
      absl::StrReplaceAll(kFakeCoordinator,
                          {{"trap 'exit 0' TERM", "trap '' TERM"}}));
  const pid_t run = StartRun();
  ASSERT_TRUE(Up());
  const std::vector<pid_t> pids = ClusterPids();
  ::kill(run, SIGINT);
  ASSERT_TRUE(FakeServices::Eventually([this] {
    return absl::StrContains(
        *ReadWholeFile(services_.dir().path() + "/out.txt"),
        "press Ctrl-C again");
  }));
  ::kill(run, SIGINT);
  const Outcome outcome = Finish(run);
  EXPECT_EQ(outcome.code, 130);
  EXPECT_THAT(outcome.out, HasSubstr("ahactl run --resume --dir"));
  EXPECT_TRUE(AllGone(pids));
}

TEST_F(AhactlRunTest, ALostCoordinatorEndsTheRunAndItsLastLinesAreShown) {
  const pid_t run = StartRun();
  ASSERT_TRUE(Up());
  const std::vector<pid_t> pids = ClusterPids();
  ::kill(pids[3], SIGKILL);
  const Outcome outcome = Finish(run);
  EXPECT_EQ(outcome.code, 1);
  EXPECT_THAT(outcome.err, HasSubstr("coordinator: signal 9 (Killed)"));
  EXPECT_THAT(outcome.err, HasSubstr("fake coordinator speaks"));
  EXPECT_THAT(outcome.err, HasSubstr("ahactl run --resume --dir"));
  EXPECT_TRUE(AllGone(pids));
}

TEST_F(AhactlRunTest, ADetachedClusterOutlivesTheCallAndIsStoppedBySignal) {
  const Outcome outcome =
      Ahactl({"run", job_, "--dir", services_.run_dir(), "--detach"});
  ASSERT_EQ(outcome.code, 0) << outcome.err;
  EXPECT_THAT(outcome.out, HasSubstr("ahactl job watch --dir"));
  ASSERT_TRUE(Up());
  const auto processes = run::RunReader(services_.run_dir()).ReadProcesses();
  ASSERT_TRUE(processes.ok());
  const pid_t supervisor = processes->at(0).pid;
  EXPECT_EQ(processes->at(0).role, "supervisor");
  const std::vector<pid_t> pids = ClusterPids();
  ::kill(supervisor, SIGKILL);
  EXPECT_TRUE(AllGone(pids));
}

TEST_F(AhactlRunTest, ActorsAreAddedThroughTheSupervisor) {
  const pid_t run = StartRun();
  ASSERT_TRUE(Up());
  const pid_t add = Start({"actor", "add", "--dir", services_.run_dir()});
  int status = 0;
  ASSERT_EQ(::waitpid(add, &status, 0), add);
  std::erase(running_, add);
  EXPECT_EQ(WEXITSTATUS(status), 0);
  EXPECT_TRUE(FakeServices::Eventually(
      [this] { return services_.PidOf("actor-1") != 0; }));
  services_.End(0);
  int run_status = 0;
  ASSERT_EQ(::waitpid(run, &run_status, 0), run);
  std::erase(running_, run);
  EXPECT_EQ(WEXITSTATUS(run_status), 0);
}

TEST_F(AhactlRunTest, ADirectoryThatHoldsARunIsNotOverwritten) {
  const pid_t run = StartRun();
  ASSERT_TRUE(Up());
  services_.End(0);
  ASSERT_EQ(Finish(run).code, 0);
  const Outcome again = Ahactl({"run", job_, "--dir", services_.run_dir()});
  EXPECT_EQ(again.code, 5);
  EXPECT_THAT(again.err, HasSubstr("--resume"));
  const Outcome other = Ahactl({"run", job_, "--dir", services_.run_dir(),
                                "--resume", "--set", "seed=99"});
  EXPECT_EQ(other.code, 5);
  EXPECT_THAT(other.err, HasSubstr("holds another job (\"tiny\""));
  const Outcome done =
      Ahactl({"run", "--dir", services_.run_dir(), "--resume"});
  EXPECT_EQ(done.code, 0);
  EXPECT_THAT(done.out, HasSubstr("checksum c0ffee"));
}

TEST_F(AhactlRunTest, TwoRunsCannotShareADirectory) {
  StartRun();
  ASSERT_TRUE(Up());
  const Outcome second =
      Ahactl({"run", job_, "--dir", services_.run_dir(), "--resume"});
  EXPECT_EQ(second.code, 5);
  EXPECT_THAT(second.err, HasSubstr("is in use by another `ahactl run`"));
}

// The same as after `job wait`, which sees the end of the job and not of its
// processes.
TEST_F(AhactlRunTest, ARunWhoseJobHasEndedIsWaitedForToLeave) {
  services_.Install("aha-coordinator",
                    absl::StrReplaceAll(kFakeCoordinator,
                                        {{"\"succeeded\"", "\"stopped\""}}));
  const pid_t run = StartRun();
  ASSERT_TRUE(Up());
  services_.End(0);
  ASSERT_TRUE(FakeServices::Eventually([this] {
    return ReadJsonFile(services_.run_dir() + "/summary.json").ok();
  }));
  ASSERT_TRUE(run::ProcessIsAlive(run));  // For its members have not left yet.
  // Begun, and stopped, in its turn.
  const Outcome next =
      Ahactl({"run", "--dir", services_.run_dir(), "--resume"});
  EXPECT_EQ(next.code, 130) << next.err;
  EXPECT_THAT(next.err, HasSubstr("waiting for the run in"));
  EXPECT_EQ(Finish(run).code, 130);
}

TEST_F(AhactlRunTest, ARunAsJsonPrintsTheSummaryAloneOnStdout) {
  const pid_t run = StartRun({"-o", "json"});
  ASSERT_TRUE(Up());
  services_.End(0);
  const Outcome outcome = Finish(run);
  EXPECT_EQ(outcome.code, 0) << outcome.err;
  const Json summary = Json::parse(outcome.out, nullptr, false);
  EXPECT_EQ(TextOr(summary, "checksum", ""), "c0ffee") << outcome.out;
}

}  // namespace
}  // namespace aha::cli
