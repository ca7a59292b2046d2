// Kills learners and the coordinator, or asks them to end, while the job runs,
// in grpo and in sft stages. The checksum stays that of an undisturbed run.
#include <signal.h>

#include <algorithm>
#include <fstream>
#include <string>
#include <vector>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_split.h"
#include "base/rng.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "tests/integration/local_cluster.h"
#include "tests/integration/outcome.h"

namespace aha::testing {
namespace {

using ::testing::AllOf;
using ::testing::HasSubstr;

// Trains supervised before it reinforces; sft stages publish no weights in a
// step.
constexpr char kTwoStages[] = R"(name: two-stages
seed: 7
model: {architecture: {hidden_size: 128, intermediate_size: 384,
                        num_hidden_layers: 4, num_attention_heads: 4,
                        num_key_value_heads: 2, max_position_embeddings: 128}}
prompts: {generated: {min_operations: 2, max_operations: 3}}
rewards: [{type: contains}]
sampling: {max_completion_length: 24}
stages:
- name: pretrain
  type: sft
  sft: {steps: 30, documents_per_step: 64, optimizer: {learning_rate: 1e-3}}
- name: grpo
  type: grpo
  grpo: {steps: 4, prompts_per_step: 4, num_generations: 4,
         optimizer: {learning_rate: 5e-4}}
checkpoint: {every_steps: 4}
cluster: {max_rows: 32}
)";
constexpr int64_t kSftSteps = 30;

std::string WriteJob(const TempDir& scratch) {
  std::string path = scratch.path() + "/job.yaml";
  std::ofstream(path) << kTwoStages;
  return path;
}

const Outcome& TwoStagesReference() {
  static const Outcome& outcome = *[] {
    TempDir scratch;
    LocalCluster cluster(WriteJob(scratch), scratch.path() + "/run", {});
    return new Outcome(Finish(cluster));
  }();
  return outcome;
}

int64_t LinesWith(const std::string& text, const std::string& what) {
  const std::vector<std::string> lines = absl::StrSplit(text, '\n');
  return std::count_if(lines.begin(), lines.end(), [&](const auto& line) {
    return line.find(what) != std::string::npos;
  });
}

// Waits for the process to live and sends it the signal. Returns whether it was
// there.
bool Hit(const LocalCluster& cluster, const std::string& who, int signal) {
  pid_t pid = 0;
  Eventually([&] { return (pid = PidOf(cluster, who)) > 0; },
             absl::Seconds(20));
  return pid > 0 && kill(pid, signal) == 0;
}

// Expects exactly one restart for each hit.
void ExpectRestarts(const Outcome& outcome, int64_t hits) {
  EXPECT_EQ(LinesWith(outcome.output, " restarted: "), hits) << outcome.output;
}

TEST(LearnerFaultsTest, AKilledLearnerChangesNothing) {
  const RandomKey key(2026, RandomPurpose::kTest, 11);
  TempDir scratch;
  LocalCluster cluster(Recipe("tiny.yaml"), scratch.path() + "/run", {});
  int64_t killed = 0;
  for (const int64_t step : {0, 4, 9, 17}) {
    WaitForMoment(cluster, step, key);
    killed += Hit(cluster, "learner", SIGKILL);
  }
  const Outcome outcome = Finish(cluster);
  ExpectSameAsReference(outcome);
  EXPECT_EQ(killed, 4);
  ExpectRestarts(outcome, killed);
}

TEST(LearnerFaultsTest, AKilledRankOfTwoChangesNothing) {
  const RandomKey key(2026, RandomPurpose::kTest, 12);
  TempDir scratch;
  LocalCluster cluster(Recipe("tiny.yaml"), scratch.path() + "/run",
                       {"--learners", "2"});
  int64_t killed = 0;
  for (const int64_t step : {0, 5, 10, 16}) {
    WaitForMoment(cluster, step, key);
    killed += Hit(cluster, absl::StrCat("learner-", step % 2), SIGKILL);
  }
  const Outcome outcome = Finish(cluster);
  ExpectSameAsReference(outcome);
  EXPECT_EQ(killed, 4);
  ExpectRestarts(outcome, killed);
}

// The connections of the hanging rank stay open, so only the coordinator can
// inform the other rank.
TEST(LearnerFaultsTest, TheOtherRankDoesNotWaitForARankThatHangs) {
  TempDir scratch;
  const std::string run = scratch.path() + "/run";
  LocalCluster cluster(Recipe("tiny.yaml"), run,
                       {"--learners", "2", "--set", "cluster.lease_seconds=4"});
  ASSERT_TRUE(cluster.WaitForSteps(4, absl::Minutes(1)));
  ASSERT_TRUE(Hit(cluster, "learner-0", SIGSTOP));
  const std::string log = run + "/logs/learner-1.log";
  EXPECT_TRUE(Eventually(
      [&] { return LinesWith(ReadFileOrEmpty(log), "asking for a stage") > 0; },
      absl::Minutes(1)))
      << ReadFileOrEmpty(log);
  ASSERT_TRUE(Hit(cluster, "learner-0", SIGKILL));
  ExpectSameAsReference(Finish(cluster));
}

TEST(LearnerFaultsTest, AKilledLearnerWithLagOneChangesNothing) {
  const std::vector<std::string> lag = {"--set", "stages[0].grpo.lag=1"};
  const Outcome reference = RunTiny(lag);
  TempDir scratch;
  LocalCluster cluster(Recipe("tiny.yaml"), scratch.path() + "/run", lag);
  const RandomKey key(2026, RandomPurpose::kTest, 13);
  for (const int64_t step : {2, 8}) {
    WaitForMoment(cluster, step, key);
    EXPECT_TRUE(Hit(cluster, "learner", SIGKILL));
  }
  ExpectSame(Finish(cluster), reference);
}

// Only the rank was asked to end: the job continues, and what the rank had done
// was saved, so nothing is repeated.
TEST(LearnerFaultsTest, ALearnerAskedToEndSavesAndReturns) {
  TempDir scratch;
  LocalCluster cluster(Recipe("tiny.yaml"), scratch.path() + "/run", {});
  ASSERT_TRUE(cluster.WaitForSteps(4, absl::Minutes(1)));
  ASSERT_TRUE(Hit(cluster, "learner", SIGTERM));
  const Outcome outcome = Finish(cluster);
  ExpectSameAsReference(outcome);
  ExpectRestarts(outcome, 1);
  EXPECT_THAT(outcome.output,
              HasSubstr("learner-0 restarted: it had ended (exit code 0)"));
  EXPECT_THAT(ReadFileOrEmpty(scratch.path() + "/run/logs/learner-0.log"),
              HasSubstr("got SIGTERM"));
  const std::string events =
      ReadFileOrEmpty(scratch.path() + "/run/events.jsonl");
  EXPECT_EQ(LinesWith(events, "\"rollback\""), 1) << events;
}

TEST(LearnerFaultsTest, ARankOfTwoAskedToEndReturns) {
  TempDir scratch;
  LocalCluster cluster(Recipe("tiny.yaml"), scratch.path() + "/run",
                       {"--learners", "2"});
  for (const int64_t step : {3, 9}) {
    ASSERT_TRUE(cluster.WaitForSteps(step, absl::Minutes(1)));
    ASSERT_TRUE(Hit(cluster, absl::StrCat("learner-", step == 3), SIGTERM));
  }
  const Outcome outcome = Finish(cluster);
  ExpectSameAsReference(outcome);
  ExpectRestarts(outcome, 2);
}

// Expects a stopped run that says how it ended and that it can be continued.
void ExpectStoppedByCoordinator(const Outcome& outcome) {
  EXPECT_EQ(outcome.exit_code, 130) << outcome.output;
  EXPECT_EQ(outcome.summary.value("state", ""), "stopped") << outcome.output;
  EXPECT_EQ(outcome.summary.value("problem", ""),
            "the coordinator got SIGTERM");
  EXPECT_THAT(outcome.output,
              AllOf(HasSubstr("stopped (the coordinator got SIGTERM)"),
                    HasSubstr("ahactl run --resume --dir")));
}

TEST(LearnerFaultsTest, ACoordinatorAskedToEndStopsTheJobWithACheckpoint) {
  TempDir scratch;
  const std::string run = scratch.path() + "/run";
  {
    LocalCluster cluster(Recipe("tiny.yaml"), run, {});
    ASSERT_TRUE(cluster.WaitForSteps(4, absl::Minutes(1)));
    ASSERT_TRUE(Hit(cluster, "coordinator", SIGTERM));
    const Outcome stopped = Finish(cluster);
    ExpectStoppedByCoordinator(stopped);
    // Everything done was saved: the checksum is that of the newest checkpoint.
    EXPECT_EQ(stopped.summary.value("steps", int64_t{0}), cluster.StepsDone());
  }
  LocalCluster last(Recipe("tiny.yaml"), run, {"--resume"});
  const Outcome outcome = Finish(last);
  ExpectSameAsReference(outcome);
  const std::string events = ReadFileOrEmpty(run + "/events.jsonl");
  EXPECT_EQ(LinesWith(events, "\"resumed\""), 1) << events;
}

// A preempting scheduler does this.
TEST(LearnerFaultsTest, AskingAllProcessesToEndAtOnceStopsTheJob) {
  TempDir scratch;
  const std::string run = scratch.path() + "/run";
  for (const int64_t step : {3, 8}) {
    std::vector<std::string> arguments = {"--learners", "2"};
    if (step > 3) arguments.push_back("--resume");
    LocalCluster cluster(Recipe("tiny.yaml"), run, arguments);
    ASSERT_TRUE(cluster.WaitForSteps(step, absl::Minutes(1)));
    for (const Process& process : cluster.Processes()) {
      if (process.role != "supervisor") kill(process.pid, SIGTERM);
    }
    ExpectStoppedByCoordinator(Finish(cluster));
  }
  LocalCluster last(Recipe("tiny.yaml"), run, {"--resume"});
  ExpectSameAsReference(Finish(last));
}

TEST(SftStageTest, AKilledLearnerChangesNothing) {
  for (const char* ranks : {"1", "2"}) {
    TempDir scratch;
    const RandomKey key(2026, RandomPurpose::kTest, 14);
    LocalCluster cluster(WriteJob(scratch), scratch.path() + "/run",
                         {"--learners", ranks});
    for (const int64_t step : {2, 13}) {
      WaitForMoment(cluster, step, key);
      EXPECT_TRUE(Hit(cluster, "learner-0", SIGKILL));
    }
    const Outcome outcome = Finish(cluster);
    ExpectSame(outcome, TwoStagesReference());
    ExpectRestarts(outcome, 2);
  }
}

TEST(SftStageTest, EverythingKilledAndResumedContinuesFromTheCheckpoint) {
  const RandomKey key(2026, RandomPurpose::kTest, 15);
  TempDir scratch;
  const std::string job = WriteJob(scratch);
  const std::string run = scratch.path() + "/run";
  std::vector<std::string> arguments;
  for (const int64_t step : {1, 6, 18, 31}) {
    LocalCluster cluster(job, run, arguments);
    WaitForMoment(cluster, step, key);
    KillEverything(cluster);
    arguments = {"--resume"};
  }
  LocalCluster last(job, run, arguments);
  ExpectSame(Finish(last), TwoStagesReference());
  EXPECT_THAT(ReadFileOrEmpty(run + "/events.jsonl"),
              HasSubstr("checkpoints/pretrain-step-000004"));
}

TEST(SftStageTest, PauseStopProgressAndMetricsWorkAsInGrpo) {
  TempDir scratch;
  const std::string job = WriteJob(scratch);
  const std::string run = scratch.path() + "/run";
  const auto tell = [&](const char* verb) {
    const CommandResult said =
        RunCommand({Binary("ahactl"), "job", verb, "--dir", run});
    EXPECT_EQ(said.exit_code, 0) << said.output;
    return said.output;
  };
  {
    LocalCluster cluster(job, run, {});
    ASSERT_TRUE(cluster.WaitForSteps(3, absl::Minutes(1)));
    tell("pause");
    // The step that had begun ends; then nothing advances.
    ASSERT_TRUE(Eventually(
        [&] { return tell("describe").find("paused") != std::string::npos; },
        absl::Seconds(20)));
    tell("resume");
    ASSERT_TRUE(cluster.WaitForSteps(8, absl::Minutes(1)));
    tell("stop");
    const Outcome stopped = Finish(cluster);
    EXPECT_EQ(stopped.exit_code, 130) << stopped.output;
    EXPECT_EQ(stopped.summary.value("state", ""), "stopped");
    EXPECT_EQ(stopped.summary.value("steps", int64_t{0}), cluster.StepsDone());
    EXPECT_THAT(stopped.output, HasSubstr("pretrain"));
  }
  LocalCluster last(job, run, {"--resume"});
  ExpectSame(Finish(last), TwoStagesReference());
  const std::vector<std::string> lines = absl::StrSplit(
      ReadFileOrEmpty(run + "/metrics.jsonl"), '\n', absl::SkipEmpty());
  ASSERT_EQ(lines.size(), kSftSteps + 4);
  for (size_t i = 0; i < lines.size(); ++i) {
    const nlohmann::json line = nlohmann::json::parse(lines[i]);
    const bool sft = i < kSftSteps;
    EXPECT_EQ(line.value("stage", ""), sft ? "pretrain" : "grpo");
    EXPECT_EQ(line.value("step", size_t{99}), sft ? i : i - kSftSteps);
    for (const char* name : {"loss", "grad_norm", "learning_rate", "num_tokens",
                             "step_time", "weights_checksum"}) {
      EXPECT_TRUE(line.contains(name)) << name << " in " << lines[i];
    }
  }
}

}  // namespace
}  // namespace aha::testing
