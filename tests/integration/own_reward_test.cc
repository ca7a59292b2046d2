// Rewards of a user's own, on real processes: the result is a function of the
// job whatever happens to the processes, and a program that misbehaves ends the
// job with a line that names it, and never in a wrong reward.
#include <signal.h>
#include <sys/stat.h>

#include <filesystem>
#include <fstream>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_replace.h"
#include "absl/time/time.h"
#include "base/rng.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "nlohmann/json.hpp"
#include "tests/integration/local_cluster.h"
#include "tests/integration/outcome.h"
#include "tests/integration/small_job.h"
#include "tests/loopback.h"

namespace aha::testing {
namespace {

using ::testing::AllOf;
using ::testing::HasSubstr;
using ::testing::Not;

// Answers each request with the number of digits in the completion.
constexpr char kGoodProgram[] = R"(#!/bin/sh
while read -r line; do
  id=${line#*\"id\":}; id=${id%%,*}
  text=${line#*\"completion\":\"}; text=${text%%\"*}
  digits=$(printf %s "$text" | tr -cd 0-9)
  printf '{"id":%s,"score":%s}\n' "$id" "${#digits}"
done
)";

class OwnRewardTest : public ::testing::Test {
 protected:
  std::string Run() const { return scratch_.path() + "/run"; }
  std::string Program(const std::string& text,
                      const std::string& name = "judge") const {
    const std::string path = scratch_.Write(name, text);
    EXPECT_EQ(::chmod(path.c_str(), 0755), 0);
    return path;
  }
  // The small job with this component as its only reward.
  std::string Job(const std::string& component) const {
    return scratch_.Write(
        "job.yaml",
        absl::StrReplaceAll(kSmallJob,
                            {{"{type: contains}", component},
                             {"cluster: {learners: 1}",
                              "cluster: {learners: 1, wait_seconds: 4}"}}));
  }
  static std::string Component(const std::string& program,
                               const std::string& more = "") {
    return absl::StrCat("{name: mine, command: [", program,
                        "], program: {timeout_seconds: 1, max_score: 100}",
                        more, "}");
  }
  // Runs the job of a program that misbehaves to its end, and returns what
  // ahactl said.
  std::string Fails(const std::string& script) const {
    const std::string program = Program("#!/bin/sh\n" + script);
    LocalCluster cluster(Job(Component(program)), Run(), {});
    const Outcome outcome = Finish(cluster);
    EXPECT_EQ(outcome.exit_code, 8) << outcome.output;
    EXPECT_EQ(outcome.summary["state"], "failed");
    EXPECT_EQ(outcome.summary["steps"], 0) << "a wrong reward entered a step";
    const std::string problem = outcome.summary.value("problem", "");
    EXPECT_THAT(problem, HasSubstr(absl::StrCat("reward mine (", program)));
    EXPECT_EQ(problem.find('\n'), std::string::npos);
    return problem;
  }

  const TempDir scratch_;
};

std::string ExampleJob(const TempDir& scratch) {
  return scratch.Write(
      "own-reward.yaml",
      absl::StrReplaceAll(
          ReadFileOrEmpty(Recipe("own-reward.yaml")),
          {{"recipes/rewards/", SourceFile("recipes/rewards/")}}));
}

TEST_F(OwnRewardTest, OfTwoReplicasOneIsKilledAndTheChecksumIsTheSame) {
  const std::string job = ExampleJob(scratch_);
  LocalCluster undisturbed(job, scratch_.path() + "/undisturbed", {});
  const Outcome reference = Finish(undisturbed);
  ExpectSucceeded(reference);
  EXPECT_FALSE(reference.summary.contains("not_reproducible"));

  LocalCluster cluster(job, Run(), {"--reward-replicas", "2"});
  const RandomKey key(2026, RandomPurpose::kTest, 41);
  int killed = 0;
  for (const int64_t step : {1, 3}) {
    WaitForMoment(cluster, step, key);
    const pid_t pid = PidOf(cluster, "reward-1");
    killed += pid > 0 && kill(pid, SIGKILL) == 0;
  }
  const Outcome disturbed = Finish(cluster);
  EXPECT_GE(killed, 1);
  ExpectSame(disturbed, reference);
  // Each component was at work, and its values differ.
  const std::string metrics = ReadFileOrEmpty(Run() + "/metrics.jsonl");
  for (const char* name : {"contains", "digits", "length"}) {
    EXPECT_THAT(metrics, HasSubstr(absl::StrCat("rewards/", name, "/mean")));
  }
  const auto last = nlohmann::json::parse(
      metrics.substr(metrics.rfind("\n{") + 1), nullptr, false);
  EXPECT_GT(last.value("rewards/length/std", 0.0), 0) << last;
}

TEST_F(OwnRewardTest, AProgramThatHangsEndsTheJob) {
  EXPECT_THAT(Fails("exec sleep 600"),
              AllOf(HasSubstr("did not answer in time"),
                    HasSubstr("cluster.wait_seconds")));
}

TEST_F(OwnRewardTest, AProgramThatCrashesEndsTheJob) {
  EXPECT_THAT(Fails("read line; echo bad luck >&2; kill -SEGV $$"),
              AllOf(HasSubstr("signal 11"), HasSubstr("bad luck")));
}

TEST_F(OwnRewardTest, AProgramThatEndsAtOnceEndsTheJob) {
  EXPECT_THAT(Fails("exit 0"), HasSubstr("exit code 0"));
}

TEST_F(OwnRewardTest, AProgramThatFloodsEndsTheJob) {
  EXPECT_THAT(Fails("exec cat /dev/zero"), HasSubstr("a line of more than"));
}

TEST_F(OwnRewardTest, AProgramThatSaysNanEndsTheJob) {
  EXPECT_THAT(Fails(R"(while read -r line; do
      id=${line#*\"id\":}; id=${id%%,*}
      printf '{"id":%s,"score":NaN}\n' "$id"; done)"),
              HasSubstr("NaN"));
}

TEST_F(OwnRewardTest, AProgramThatAnswersTooFewEndsTheJob) {
  EXPECT_THAT(Fails(R"(n=0; while read -r line; do n=$((n+1))
      id=${line#*\"id\":}; id=${id%%,*}
      [ $n = 2 ] || printf '{"id":%s,"score":1}\n' "$id"; done)"),
              HasSubstr("did not answer in time"));
}

TEST_F(OwnRewardTest, AScoreOutOfItsRangeEndsTheJob) {
  EXPECT_THAT(Fails(R"(while read -r line; do
      id=${line#*\"id\":}; id=${id%%,*}
      printf '{"id":%s,"score":101}\n' "$id"; done)"),
              HasSubstr("its score 101 is above"));
}

TEST_F(OwnRewardTest, WhatCannotBeRunIsRefusedBeforeAnythingStarts) {
  const auto refused = [&](const std::string& component) {
    const CommandResult result =
        RunCommand({Binary("ahactl"), "run", Job(component), "--dir", Run()});
    EXPECT_EQ(result.exit_code, 2) << result.output;
    return result.output;
  };
  EXPECT_THAT(refused(Component("/no/such/judge")),
              HasSubstr("rewards[0].command: /no/such/judge: there is no"));
  const std::string plain = scratch_.Write("plain", "echo");
  EXPECT_THAT(refused(Component(plain)), HasSubstr("is not executable"));
  EXPECT_THAT(refused("{python: '/no/such.py:score', "
                      "program: {timeout_seconds: 1}}"),
              HasSubstr("rewards[0].python: /no/such.py: there is no"));
  EXPECT_FALSE(std::filesystem::exists(Run() + "/logs"));
}

TEST_F(OwnRewardTest, AProgramThatWasChangedIsNotResumed) {
  const std::string program = Program(kGoodProgram);
  const std::string job = Job(Component(program));
  {
    LocalCluster cluster(job, Run(),
                         {"--set", "stages[0].grpo.steps=1000", "--set",
                          "checkpoint.every_steps=1"});
    ASSERT_TRUE(cluster.WaitForSteps(2, absl::Minutes(1))) << cluster.Output();
    cluster.Signal(SIGINT);
    EXPECT_EQ(cluster.Wait(absl::Minutes(1)), 130) << cluster.Output();
  }
  Program(absl::StrCat(kGoodProgram, "# changed\n"));
  {
    LocalCluster cluster("", Run(), {"--resume"});
    EXPECT_EQ(cluster.Wait(absl::Minutes(1)), 5) << cluster.Output();
    EXPECT_THAT(cluster.Output(), AllOf(HasSubstr("rewards[0].command"),
                                        HasSubstr("put the same file back")));
  }
  Program(kGoodProgram);
  LocalCluster cluster("", Run(), {"--resume"});
  ASSERT_TRUE(cluster.WaitForSteps(4, absl::Minutes(1))) << cluster.Output();
}

TEST_F(OwnRewardTest, ARewardThatAnswersDifferentlyIsSaidAtTheEnd) {
  const std::string program = Program(
      "#!/bin/sh\nn=0; while read -r line; do n=$(((n+1)%5))\n"
      "id=${line#*\\\"id\\\":}; id=${id%%,*}\n"
      "printf '{\"id\":%s,\"score\":%s}\\n' \"$id\" \"$n\"; done\n");
  LocalCluster cluster(Job(Component(program)), Run(), {});
  const Outcome outcome = Finish(cluster);
  ExpectSucceeded(outcome);
  EXPECT_THAT(outcome.summary.value("not_reproducible", ""),
              AllOf(HasSubstr(program), HasSubstr("judged one completion "
                                                  "twice")));
  EXPECT_THAT(outcome.output, HasSubstr("no: reward-0: reward mine"));
  const CommandResult described =
      RunCommand({Binary("ahactl"), "job", "describe", "--dir", Run()});
  EXPECT_THAT(described.output, HasSubstr("Not reproducible"));
}

TEST_F(OwnRewardTest, NoProgramOutlivesItsRewardService) {
  const std::string pids = scratch_.path() + "/pids";
  const std::string program = Program(absl::StrReplaceAll(
      kGoodProgram, {{"#!/bin/sh\n", "#!/bin/sh\necho $$ >>" + pids + "\n"}}));
  LocalCluster cluster(Job(Component(program)), Run(), {});
  ExpectSucceeded(Finish(cluster));
  std::ifstream lines(pids);
  int seen = 0;
  for (std::string pid; std::getline(lines, pid); ++seen) {
    EXPECT_NE(kill(static_cast<pid_t>(std::stoi(pid)), 0), 0) << pid;
  }
  EXPECT_GE(seen, 1);
}

// A standing cluster runs the jobs of others, and only the programs that its
// operator allows.
TEST_F(OwnRewardTest, ASubmissionIsRefusedUnlessTheProgramIsAllowed) {
  const std::string program = Program(kGoodProgram);
  const std::string job = Job(Component(program));
  const auto submit = [&](const std::vector<std::string>& allowed) {
    std::vector<std::string> argv = {Binary("aha-coordinator"), "--runs",
                                     scratch_.path() + "/runs", "--listen",
                                     OwnLoopback() + ":0"};
    argv.insert(argv.end(), allowed.begin(), allowed.end());
    std::filesystem::remove(scratch_.path() + "/runs/endpoint.json");
    const Service coordinator(argv, scratch_.path() + "/coordinator.out");
    const std::string address = AwaitEndpoint(scratch_.path() + "/runs");
    const CommandResult result =
        RunCommand({Binary("ahactl"), "submit", job, "--address", address});
    if (result.exit_code != 0) return result;
    // The reward service has a list of its own, and it is empty.
    Service reward({Binary("aha-reward"), "--coordinator", address},
                   scratch_.path() + "/reward.out");
    EXPECT_EQ(reward.Wait(absl::Minutes(1)), 78);
    const CommandResult waited = RunCommand(
        {Binary("ahactl"), "job", "wait", "small", "--address", address});
    EXPECT_EQ(waited.exit_code, 8) << waited.output;
    EXPECT_THAT(waited.output,
                HasSubstr(absl::StrCat("--allow-command ", program)));
    return result;
  };
  const CommandResult refused = submit({});
  EXPECT_EQ(refused.exit_code, 6) << refused.output;
  EXPECT_THAT(refused.output,
              AllOf(HasSubstr("rewards[0].command"),
                    HasSubstr(absl::StrCat("--allow-command ", program))));
  EXPECT_EQ(refused.output.find('\n'), refused.output.size() - 1);
  const CommandResult taken = submit({"--allow-command", program});
  EXPECT_EQ(taken.exit_code, 0) << taken.output;
}

}  // namespace
}  // namespace aha::testing
