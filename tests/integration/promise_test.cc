// One job, one checksum: runs recipes/tiny.yaml on real processes in many ways.
//
// Each test runs the job and compares its checksum with that of an undisturbed
// run with one actor and one learner, which each shard of the tests runs once.
#include <signal.h>

#include <algorithm>
#include <filesystem>
#include <fstream>
#include <sstream>
#include <string>
#include <vector>

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "base/rng.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "tests/integration/local_cluster.h"
#include "tests/integration/outcome.h"

namespace aha::testing {
namespace {

using ::testing::HasSubstr;

const std::vector<std::string> kPlain = {};

TEST(PromiseTest, TrainsOnRewardsThatDiffer) {
  // This is the negative control of all tests here: a job that learned nothing
  // would have the same weights whatever failed.
  TempDir scratch;
  LocalCluster cluster(Recipe("tiny.yaml"), scratch.path() + "/run", kPlain);
  const Outcome outcome = Finish(cluster);
  ExpectSucceeded(outcome);
  const std::string metrics =
      ReadFileOrEmpty(scratch.path() + "/run/metrics.jsonl");
  EXPECT_THAT(metrics, HasSubstr("\"grad_norm\""));
  int64_t moving = 0;
  std::istringstream lines(metrics);
  for (std::string line; std::getline(lines, line);) {
    moving += nlohmann::json::parse(line).value("grad_norm", 0.0) > 0;
  }
  EXPECT_GE(moving, 6);
}

TEST(PromiseTest, AChangedSeedChangesTheChecksum) {
  const Outcome outcome = RunTiny({"--set", "seed=8"});
  ExpectSucceeded(outcome);
  EXPECT_NE(outcome.checksum, Reference().checksum);
}

TEST(PromiseTest, TwoActorsGiveTheSameChecksum) {
  ExpectSameAsReference(RunTiny({"--actors", "2"}));
}

TEST(PromiseTest, ThreeActorsGiveTheSameChecksum) {
  ExpectSameAsReference(RunTiny({"--actors", "3"}));
}

TEST(PromiseTest, TwoLearnerRanksGiveTheSameChecksum) {
  ExpectSameAsReference(RunTiny({"--learners", "2"}));
}

TEST(PromiseTest, OneAndTwoThreadsGiveTheSameChecksum) {
  ExpectSameAsReference(RunTiny({"--threads", "1"}));
  ExpectSameAsReference(RunTiny({"--threads", "2"}));
}

TEST(PromiseTest, OtherBatchesGiveTheSameChecksum) {
  ExpectSameAsReference(RunTiny({"--set", "cluster.max_rows=5"}));
}

TEST(PromiseTest, LagOneGivesOneChecksumHoweverManyActors) {
  const std::vector<std::string> lag = {"--set", "stages[0].grpo.lag=1"};
  const Outcome one = RunTiny(lag);
  std::vector<std::string> more = lag;
  more.insert(more.end(), {"--actors", "2", "--learners", "2"});
  const Outcome two = RunTiny(more);
  ExpectSucceeded(one);
  ExpectSucceeded(two);
  EXPECT_EQ(one.checksum, two.checksum);
  EXPECT_NE(one.checksum, Reference().checksum);  // It is another schedule.
}

TEST(PromiseTest, AnActorKilledAtTenRandomMomentsChangesNothing) {
  const RandomKey key(2026, RandomPurpose::kTest, 1);
  int64_t killed = 0;
  for (int run = 0; run < 2; ++run) {
    TempDir scratch;
    LocalCluster cluster(Recipe("tiny.yaml"), scratch.path() + "/run",
                         {"--set", "cluster.lease_seconds=3", "--actors", "2"});
    for (int64_t moment = 0; moment < 5; ++moment) {
      WaitForMoment(cluster, moment + run, key);
      const pid_t pid = PidOf(cluster, "actor");
      killed += pid > 0 && kill(pid, SIGKILL) == 0;
    }
    ExpectSameAsReference(Finish(cluster));
  }
  EXPECT_GE(killed, 8);
}

TEST(PromiseTest, AKilledRewardReplicaChangesNothing) {
  TempDir scratch;
  const RandomKey key(2026, RandomPurpose::kTest, 2);
  LocalCluster cluster(Recipe("tiny.yaml"), scratch.path() + "/run", kPlain);
  int64_t killed = 0;
  for (const int64_t step : {1, 3, 5}) {
    WaitForMoment(cluster, step, key);
    const pid_t pid = PidOf(cluster, "reward");
    killed += pid > 0 && kill(pid, SIGKILL) == 0;
  }
  ExpectSameAsReference(Finish(cluster));
  EXPECT_GE(killed, 2);
}

TEST(PromiseTest, AnActorAddedAndOneRemovedHalfWayChangeNothing) {
  TempDir scratch;
  const std::string run = scratch.path() + "/run";
  LocalCluster cluster(Recipe("tiny.yaml"), run, kPlain);
  ASSERT_TRUE(cluster.WaitForSteps(2, absl::Minutes(1)));
  const CommandResult added =
      RunCommand({Binary("ahactl"), "actor", "add", "--dir", run});
  EXPECT_EQ(added.exit_code, 0) << added.output;
  ASSERT_TRUE(cluster.WaitForSteps(4, absl::Minutes(1)));
  const CommandResult removed = RunCommand(
      {Binary("ahactl"), "actor", "remove", "actor-0", "--dir", run});
  EXPECT_EQ(removed.exit_code, 0) << removed.output;
  ExpectSameAsReference(Finish(cluster));
}

TEST(PromiseTest, EverythingKilledAndResumedChangesNothing) {
  const RandomKey key(2026, RandomPurpose::kTest, 3);
  TempDir scratch;
  const std::string run = scratch.path() + "/run";
  std::vector<std::string> arguments;
  for (const int64_t step : {1, 3, 4, 6}) {
    LocalCluster cluster(Recipe("tiny.yaml"), run, arguments);
    WaitForMoment(cluster, step, key);
    KillEverything(cluster);
    arguments = {"--resume"};
  }
  LocalCluster last(Recipe("tiny.yaml"), run, arguments);
  ExpectSameAsReference(Finish(last));
}

// It is also gone if it is a zombie: process 1 of a container may not reap it.
bool IsGone(pid_t pid) {
  const std::string stat =
      ReadFileOrEmpty(absl::StrCat("/proc/", pid, "/stat"));
  return stat.empty() || absl::StrContains(stat, ") Z ");
}

TEST(PromiseTest, OnlyTheSupervisorKilledLeavesNoOrphanAndCanBeResumed) {
  TempDir scratch;
  const std::string run = scratch.path() + "/run";
  std::vector<Process> processes;
  {
    LocalCluster cluster(Recipe("tiny.yaml"), run, kPlain);
    ASSERT_TRUE(cluster.WaitForSteps(2, absl::Minutes(1)));
    processes = cluster.Processes();
    cluster.Signal(SIGKILL);
    cluster.Wait(absl::Seconds(10));
  }
  ASSERT_GE(processes.size(), 4u);
  for (const Process& process : processes) {
    EXPECT_TRUE(
        Eventually([&] { return IsGone(process.pid); }, absl::Minutes(1)))
        << process.name << " lives on";
  }
  LocalCluster last(Recipe("tiny.yaml"), run, {"--resume"});
  ExpectSameAsReference(Finish(last));
}

TEST(PromiseTest, PauseAndResumeChangeNothing) {
  TempDir scratch;
  const std::string run = scratch.path() + "/run";
  LocalCluster cluster(Recipe("tiny.yaml"), run, kPlain);
  ASSERT_TRUE(cluster.WaitForSteps(2, absl::Minutes(1)));
  const CommandResult paused =
      RunCommand({Binary("ahactl"), "job", "pause", "--dir", run});
  ASSERT_EQ(paused.exit_code, 0) << paused.output;
  EXPECT_FALSE(cluster.Over());
  const CommandResult resumed =
      RunCommand({Binary("ahactl"), "job", "resume", "--dir", run});
  ASSERT_EQ(resumed.exit_code, 0) << resumed.output;
  ExpectSameAsReference(Finish(cluster));
}

TEST(PromiseTest, ACleanStopAndResumeChangeNothing) {
  TempDir scratch;
  const std::string run = scratch.path() + "/run";
  {
    LocalCluster cluster(Recipe("tiny.yaml"), run, kPlain);
    ASSERT_TRUE(cluster.WaitForSteps(3, absl::Minutes(1)));
    cluster.Signal(SIGINT);
    EXPECT_EQ(cluster.Wait(absl::Minutes(1)), 130) << cluster.Output();
  }
  LocalCluster last(Recipe("tiny.yaml"), run, {"--resume"});
  ExpectSameAsReference(Finish(last));
}

TEST(PromiseTest, AFlippedByteInTheNewestCheckpointIsRefusedLoudly) {
  TempDir scratch;
  const std::string run = scratch.path() + "/run";
  {
    LocalCluster cluster(Recipe("tiny.yaml"), run, kPlain);
    ASSERT_TRUE(cluster.WaitForSteps(8, absl::Minutes(1)));
    KillEverything(cluster);
  }
  std::vector<std::string> checkpoints;
  for (const auto& entry :
       std::filesystem::directory_iterator(run + "/checkpoints")) {
    if (std::filesystem::exists(entry.path() / "manifest.json")) {
      checkpoints.push_back(entry.path().string());
    }
  }
  ASSERT_GE(checkpoints.size(), 2u);
  std::sort(checkpoints.begin(), checkpoints.end());
  const std::string weights = checkpoints.back() + "/model/model.safetensors";
  {
    std::fstream file(weights, std::ios::in | std::ios::out | std::ios::binary);
    file.seekg(-5, std::ios::end);
    const char byte = static_cast<char>(file.get() ^ 0x10);
    file.seekp(-5, std::ios::end);
    file.put(byte);
  }
  LocalCluster last(Recipe("tiny.yaml"), run, {"--resume"});
  const Outcome outcome = Finish(last);
  ExpectSameAsReference(outcome);
  const std::string log = ReadFileOrEmpty(run + "/logs/coordinator.log");
  EXPECT_THAT(log, HasSubstr("model.safetensors"));
}

}  // namespace
}  // namespace aha::testing
