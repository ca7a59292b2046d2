#include "run/reader.h"

#include <sys/wait.h>
#include <unistd.h>

#include <filesystem>

#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "tests/temp_dir.h"

namespace aha::run {
namespace {

using ::testing::ElementsAre;
using ::testing::EndsWith;

TEST(RunReaderTest, DamagedFilesAreErrorsNotCrashes) {
  const TempDir dir;
  const RunReader run(dir.path());
  for (const char* text :
       {"", "{", "[]", "null", "\xff\xfe", "{\"pid\": -1}"}) {
    for (const char* file : {"summary.json", "endpoint.json", "processes.json",
                             "job.yaml", "metrics.jsonl"}) {
      dir.Write(file, text);
    }
    EXPECT_FALSE(run.ReadEndpoint().ok()) << text;
    (void)run.ReadSummary();
    (void)run.ReadProcesses();
    (void)run.ReadMetrics();
    EXPECT_TRUE(run.HoldsRun());
    EXPECT_EQ(run.JobName(), "");
    (void)run.View();
    (void)run.HoldsResults();
  }
}

TEST(RunReaderTest, WithoutASummaryTheMetricsTellHowFarItCame) {
  const TempDir dir;
  dir.Write("job.yaml", "seed: 1\nname: \"tiny\"\n");
  dir.Write("metrics.jsonl",
            "{\"stage\":\"zero\",\"step\":0,\"reward\":0.1,\"step_time\":2}\n"
            "{\"stage\":\"zero\",\"step\":1,\"reward\":0.3,\"step_time\":3}\n"
            "{\"stage\":\"zero\",\"st");
  const JobView view = RunReader(dir.path()).View();
  EXPECT_EQ(view.name, "tiny");
  EXPECT_EQ(view.state, JobState::kInterrupted);
  ASSERT_EQ(view.stages.size(), 1u);
  EXPECT_EQ(view.stages[0].steps_done, 2u);
  EXPECT_EQ(view.stages[0].Metric("reward"), 0.3);
  EXPECT_EQ(view.seconds, 5);
}

TEST(RunReaderTest, StagesOfAnEndedJobKeepWhatTheyCameTo) {
  const TempDir dir;
  dir.Write("summary.json", R"({"job": "tiny", "state": "succeeded",
      "stages": [{"name": "zero"}, {"name": "after"}],
      "eval": {"after": {"stage": "after", "pass_at_1": 0.75,
                         "mean_completion_length": 12}}})");
  dir.Write("metrics.jsonl",
            "{\"stage\":\"zero\",\"step\":0,\"reward\":0.1}\n"
            "{\"stage\":\"zero\",\"step\":1,\"reward\":0.3}\n");
  const JobView view = RunReader(dir.path()).View();
  EXPECT_EQ(view.stages[0].Metric("reward"), 0.3);
  EXPECT_FALSE(AccuracyOf(view.stages[0]).has_value());
  EXPECT_EQ(AccuracyOf(view.stages[1]), 0.75);
  EXPECT_EQ(LengthOf(view.stages[1]), 12);
}

TEST(RunReaderTest, OnlyCheckpointsWithAManifestCount) {
  const TempDir dir;
  dir.Write("checkpoints/step-000010/manifest.json", "{}");
  dir.Write("checkpoints/step-000020/model/x", "");
  EXPECT_THAT(RunReader(dir.path()).Checkpoints(),
              ElementsAre("checkpoints/step-000010"));
}

TEST(RunReaderTest, ASummaryOfAnEarlierAttemptIsNotTheState) {
  const TempDir dir;
  dir.Write("summary.json", R"({"job": "tiny", "state": "stopped"})");
  const RunReader run(dir.path());
  EXPECT_EQ(run.View().state, JobState::kStopped);
  const std::string endpoint = dir.Write("endpoint.json", "{}");
  std::filesystem::last_write_time(
      endpoint,
      std::filesystem::file_time_type::clock::now() + std::chrono::hours(1));
  EXPECT_EQ(run.View().state, JobState::kInterrupted);
}

TEST(RunReaderTest, RunsAreTheDirectoriesThatHoldOneByName) {
  const TempDir root;
  root.Write("b/job.yaml", "name: b\n");
  root.Write("a/summary.json", "{}");
  root.Write("no-run/x", "");
  const std::vector<RunReader> runs = FindRuns(root.path());
  ASSERT_EQ(runs.size(), 2u);
  EXPECT_THAT(runs[0].path(), EndsWith("/a"));
  EXPECT_THAT(runs[1].path(), EndsWith("/b"));
  EXPECT_TRUE(FindRuns(root.path() + "/none").empty());
}

TEST(RunReaderTest, OnlyFilesForPeopleArePublic) {
  const TempDir dir;
  for (const char* name :
       {"job.yaml", "summary.json", "metrics.jsonl", "events.jsonl",
        "coordinator.db", "endpoint.json", "supervisor.lock", "secret.jsonl",
        "logs/actor-0.log", "logs/core", "rollouts/step-000001.jsonl",
        "rollouts/.tmp", "datasets/draw.jsonl",
        "checkpoints/step-000001/manifest.json",
        "checkpoints/step-000001/model/config.json"}) {
    dir.Write(name, "");
  }
  std::filesystem::create_symlink("/etc/passwd", dir / "logs/passwd.log");
  EXPECT_THAT(RunReader(dir.path()).PublicFiles(),
              ElementsAre("checkpoints/step-000001/manifest.json",
                          "datasets/draw.jsonl", "events.jsonl", "job.yaml",
                          "logs/actor-0.log", "metrics.jsonl",
                          "rollouts/step-000001.jsonl", "summary.json"));
}

class HoldsResultsTest : public ::testing::Test {
 protected:
  bool Holds() const { return RunReader(dir_.path()).HoldsResults(); }
  const TempDir dir_;
};

TEST_F(HoldsResultsTest, AStartThatNeverDidAStepHasNone) {
  EXPECT_FALSE(Holds());
  dir_.Write("job.yaml", "name: tiny\n");
  dir_.Write("coordinator.db", "x");
  dir_.Write("metrics.jsonl", "");
  dir_.Write("events.jsonl", "{\"event\":\"started\"}\n");
  dir_.Write("logs/coordinator.log", "refused\n");
  std::filesystem::create_directory(dir_ / "rollouts");
  EXPECT_FALSE(Holds());
  dir_.Write("summary.json", SummaryText({.state = JobState::kFailed}));
  EXPECT_FALSE(Holds()) << "it failed before its first step";
}

TEST_F(HoldsResultsTest, AStepIsAResult) {
  dir_.Write("metrics.jsonl", "{\"step\":0}\n");
  EXPECT_TRUE(Holds());
}

TEST_F(HoldsResultsTest, RolloutsOfAStepThatWasNotCommittedAreAResult) {
  dir_.Write("rollouts/step-000000.jsonl", "");
  EXPECT_TRUE(Holds());
}

TEST_F(HoldsResultsTest, AnEvalIsAResult) {
  dir_.Write("summary.json", SummaryText({.state = JobState::kStopped,
                                          .before = EvalOutcome{}}));
  EXPECT_TRUE(Holds());
}

TEST_F(HoldsResultsTest, ASummaryThatCannotBeReadIsAResult) {
  dir_.Write("summary.json", "{\"steps\": ");
  EXPECT_TRUE(Holds());
}

TEST(RunReaderTest, AZombieIsNotAlive) {
  EXPECT_TRUE(ProcessIsAlive(::getpid()));
  EXPECT_FALSE(ProcessIsAlive(0));
  int ended[2];
  ASSERT_EQ(::pipe(ended), 0);
  const pid_t child = ::fork();
  if (child == 0) ::_exit(0);
  ::close(ended[1]);
  char byte;
  (void)!::read(ended[0], &byte, 1);  // Returns when the child has exited.
  ::close(ended[0]);
  siginfo_t info;
  ASSERT_EQ(::waitid(P_PID, child, &info, WEXITED | WNOWAIT), 0);
  EXPECT_FALSE(ProcessIsAlive(child));
  ::waitpid(child, nullptr, 0);
}

}  // namespace
}  // namespace aha::run
