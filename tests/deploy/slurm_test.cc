// Runs deploy/slurm/aha.sbatch in a real Slurm on this machine: whatever Slurm
// does to a job, its checksum is that of `ahactl run`.
#include <signal.h>

#include <algorithm>
#include <filesystem>
#include <fstream>
#include <functional>
#include <optional>

#include "absl/strings/match.h"
#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_replace.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "tests/deploy/slurm_cluster.h"
#include "tests/tiny_checksum.h"

namespace aha::testing {
namespace {

using ::testing::AllOf;
using ::testing::HasSubstr;
using ::testing::Not;

constexpr absl::Duration kJob = absl::Minutes(4);

// Returns the process of this program that serves, or works for, the
// coordinator at `address`; 0 if there is none.
pid_t Find(const std::string& program, const std::string& address) {
  std::error_code error;
  std::filesystem::directory_iterator it("/proc", error);
  for (; !error && it != std::filesystem::directory_iterator();
       it.increment(error)) {
    const std::string line = ReadFileOrEmpty(it->path().string() + "/cmdline");
    int pid = 0;
    if (absl::StartsWith(line, Binary(program) + '\0') &&
        absl::StrContains(line, address) &&
        absl::SimpleAtoi(it->path().filename().string(), &pid)) {
      return pid;
    }
  }
  return 0;
}

class SlurmTest : public ::testing::Test {
 protected:
  void SetUp() override {
    if (const std::string why = WhyNoSlurm(); !why.empty()) {
      GTEST_SKIP() << "SLURM IS NOT TESTED: " << why;
    }
    cluster_.emplace();
    ASSERT_EQ(cluster_->problem(), "");
    if (!cluster_->machine_forbids().empty()) {
      GTEST_SKIP() << "SLURM IS NOT TESTED: slurmd cannot use this machine's "
                      "control groups:\n"
                   << cluster_->machine_forbids();
    }
  }
  void TearDown() override {
    if (!HasFailure()) return;
    for (const char* log : {"slurmctld.log", "n1.log", "n2.log"}) {
      std::cerr << log << ":\n" << ReadFileOrEmpty(cluster_->Path(log));
    }
  }

  std::string Run() const { return cluster_->Path("run"); }
  int64_t StepsDone() const {
    const std::string lines = ReadFileOrEmpty(Run() + "/metrics.jsonl");
    return std::count(lines.begin(), lines.end(), '\n');
  }
  bool AwaitSteps(int64_t steps) const {
    return Eventually([&] { return StepsDone() >= steps; }, kJob);
  }
  std::string Checksum() const {
    const nlohmann::json summary = nlohmann::json::parse(
        ReadFileOrEmpty(Run() + "/summary.json"), nullptr, false);
    return summary.is_object() ? summary.value("checksum", "") : "no summary";
  }
  void ExpectTheChecksum(const std::string& job) {
    EXPECT_EQ(cluster_->AwaitEnd(job, kJob), "COMPLETED")
        << cluster_->Output(job);
    // It is the same in every environment (promise_test.cc).
    if (TinyChecksum().empty()) GTEST_SKIP() << "no checksum is recorded";
    EXPECT_EQ(Checksum(), TinyChecksum()) << cluster_->Output(job);
  }
  // Returns recipes/tiny.yaml with more keys in its section `cluster`, which
  // does not change the result.
  std::string Variant(const std::string& cluster) const {
    std::string path = cluster_->Path("variant.yaml");
    std::ofstream(path) << absl::StrReplaceAll(
        ReadFileOrEmpty(Recipe("tiny.yaml")),
        {{"cluster:\n", "cluster:\n" + cluster}});
    return path;
  }
  bool Signal(const std::string& program, int signal) const {
    const pid_t pid = Find(program, AwaitEndpoint(Run()));
    return pid > 0 && kill(pid, signal) == 0;
  }
  // By Slurm's rule a requeued job waits two minutes; an operator can start it
  // at once like this.
  void StartNow(const std::string& job) {
    ASSERT_TRUE(
        Eventually([&] { return cluster_->State(job) == "PENDING"; }, kJob))
        << cluster_->State(job) << cluster_->Output(job);
    cluster_->Run(
        {"/usr/bin/scontrol", "update", "JobId=" + job, "StartTime=now"});
  }

  // Takes both nodes from a job that has done some steps.
  void ExpectPreemptionChangesNothing(
      const std::string& job, const std::function<void()>& while_held = [] {}) {
    ASSERT_TRUE(AwaitSteps(4)) << cluster_->Output(job);
    // The actor is stopped, so that the warning comes before the end of the job
    // on any machine.
    ASSERT_TRUE(Signal("aha-actor", SIGSTOP));
    while_held();
    const CommandResult urgent =
        cluster_->Run({"/usr/bin/sbatch", "--partition=hi", "--nodes=2",
                       "--exclusive", "--output=/dev/null", "--wrap=true"});
    ASSERT_EQ(urgent.exit_code, 0) << urgent.output;
    EXPECT_TRUE(Eventually(
        [&] { return absl::StrContains(cluster_->Output(job), "SIGUSR1"); },
        kJob))
        << cluster_->Output(job);
    ASSERT_TRUE(Signal("aha-actor", SIGCONT));
    StartNow(job);
    const int64_t before = StepsDone();
    EXPECT_LT(before, 24);  // Otherwise no step was left to continue with.
    ExpectTheChecksum(job);
    EXPECT_THAT(cluster_->Output(job),
                AllOf(HasSubstr("SIGUSR1: the running step ends"),
                      HasSubstr("requeued"), HasSubstr("start 1")));
    EXPECT_THAT(ReadFileOrEmpty(Run() + "/events.jsonl"), HasSubstr("stopped"));
  }

  std::optional<SlurmCluster> cluster_;
};

TEST_F(SlurmTest, TwoRanksAndTwoActorsOnTwoNodesGiveTheChecksumOfALocalRun) {
  const std::string recipe = Variant("  learners: 2\n");
  const std::string job = cluster_->Submit(
      {"--nodes=2"}, {recipe, Run()},
      {"AHA_LEARNER_NODES=2", "AHA_ACTORS=2", "AHA_THREADS=1"});
  ASSERT_TRUE(AwaitSteps(1)) << cluster_->Output(job);
  // These are the nodes' own addresses, not this machine's 127.0.0.1.
  CommandResult members;
  EXPECT_TRUE(Eventually(
      [&] {
        members = RunCommand({Binary("ahactl"), "actor", "list", "--all",
                              "--dir", Run(), "-o", "json"});
        return absl::StrContains(members.output, "actor-1");
      },
      absl::Minutes(1)));
  EXPECT_THAT(members.output,
              AllOf(HasSubstr("127.0.0.2:"), HasSubstr("127.0.0.3:"),
                    Not(HasSubstr("127.0.0.1:"))));
  ExpectTheChecksum(job);
  EXPECT_THAT(cluster_->Output(job), HasSubstr("succeeded"));
}

TEST_F(SlurmTest, APreemptedJobIsRequeuedAndGivesTheSameChecksum) {
  ExpectPreemptionChangesNothing(cluster_->Submit(
      {"--nodes=2"}, {Recipe("tiny.yaml"), Run()}, {"AHA_THREADS=1"}));
}

TEST_F(SlurmTest, OverMutualTlsAPreemptedJobGivesTheSameChecksum) {
  const CommandResult made =
      RunCommand({SourceFile("deploy/make-certificates"), cluster_->Path("tls"),
                  "127.0.0.2", "127.0.0.3"});
  ASSERT_EQ(made.exit_code, 0) << made.output;
  const std::string job = cluster_->Submit(
      {"--nodes=2"}, {Recipe("tiny.yaml"), Run()},
      {"AHA_THREADS=1", "AHA_TLS_DIR=" + cluster_->Path("tls")});
  ExpectPreemptionChangesNothing(job, [&] {
    const std::string address = AwaitEndpoint(Run());
    EXPECT_THAT(address, HasSubstr("127.0.0.2:"));
    const CommandResult stranger =
        RunCommand({Binary("ahactl"), "job", "get", "--address", address});
    EXPECT_EQ(stranger.exit_code, 7) << stranger.output;
  });
}

TEST_F(SlurmTest, ALearnerAndAnActorThatDieAreReplacedInTheSameAllocation) {
  const std::string recipe = Variant("  lease_seconds: 3\n");
  const std::string job =
      cluster_->Submit({"--nodes=1"}, {recipe, Run()}, {"AHA_THREADS=1"});
  ASSERT_TRUE(AwaitSteps(2)) << cluster_->Output(job);
  ASSERT_TRUE(Signal("aha-actor", SIGKILL));
  ASSERT_TRUE(AwaitSteps(5)) << cluster_->Output(job);
  ASSERT_TRUE(Signal("aha-learner", SIGKILL));
  ExpectTheChecksum(job);
  EXPECT_THAT(cluster_->Output(job),
              AllOf(HasSubstr("learner-0 ended with"),
                    HasSubstr("everything starts again")));
  EXPECT_THAT(ReadFileOrEmpty(Run() + "/logs/actor-0.log"),
              HasSubstr("ended with 137; again in 1 s"));
}

TEST_F(SlurmTest, AJobThatCannotRunIsRefusedInOneLineAndNotRequeued) {
  const std::string broken = cluster_->Path("broken.yaml");
  std::ofstream(broken) << absl::StrReplaceAll(
      ReadFileOrEmpty(Recipe("tiny.yaml")), {{"seed: 7", "sead: 7"}});
  const auto expect_refused = [&](const std::string& job, const char* why) {
    EXPECT_EQ(cluster_->AwaitEnd(job, kJob), "FAILED") << cluster_->Output(job);
    EXPECT_EQ(cluster_->ExitCode(job), "78:0");
    EXPECT_THAT(cluster_->Output(job), HasSubstr(why));
  };
  expect_refused(cluster_->Submit({"--nodes=1"}, {broken, Run()}),
                 "sead: unknown key");
  expect_refused(
      cluster_->Submit({"--nodes=1"}, {cluster_->Path("none.yaml"), Run()}),
      "cannot read the job file");
  expect_refused(cluster_->Submit({"--nodes=1"}, {Recipe("tiny.yaml"), Run()},
                                  {"AHA_ACTORS=none"}),
                 "AHA_ACTORS must be a number");
  expect_refused(cluster_->Submit({"--nodes=1"}, {}), "needs JOB.yaml");
}

TEST_F(SlurmTest, AJobThatIsCancelledStaysCancelledAndCanBeContinued) {
  const std::string job = cluster_->Submit(
      {"--nodes=1"}, {Recipe("tiny.yaml"), Run()}, {"AHA_THREADS=1"});
  ASSERT_TRUE(AwaitSteps(4)) << cluster_->Output(job);
  cluster_->Run({"/usr/bin/scancel", job});
  EXPECT_EQ(cluster_->AwaitEnd(job, kJob), "CANCELLED")
      << cluster_->Output(job);
  EXPECT_THAT(cluster_->Output(job), Not(HasSubstr("requeued")));
  const std::string again =
      cluster_->Submit({"--nodes=1"}, {Recipe("tiny.yaml"), Run()},
                       {"AHA_THREADS=1", "AHA_RESUME=1"});
  ExpectTheChecksum(again);
}

}  // namespace
}  // namespace aha::testing
