#include "cli/report/run_directory.h"

#include <sys/wait.h>
#include <unistd.h>

#include <nlohmann/json.hpp>

#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "tests/temp_dir.h"

namespace aha::cli {
namespace {

using ::testing::ElementsAre;
using ::testing::EndsWith;
using ::testing::HasSubstr;

TEST(RunDirectoryTest, ReadsASummary) {
  const TempDir dir;
  dir.Write("summary.json", R"({
    "job": "tiny", "state": "succeeded", "seconds": 12.5, "steps": 20,
    "checksum": "ab", "weights_checksum": "cd",
    "stages": [{"name": "zero", "type": "grpo", "seconds": 11}],
    "eval": {"before": {"prompts": 500, "pass_at_1": 0.2,
                        "mean_completion_length": 20}, "after": null},
    "exact": {"tokens_compared": 1000, "tokens_differing": 0},
    "peak_rss_bytes": 123456, "something_new": [1, 2]})");
  const auto summary = RunDirectory(dir.path()).ReadSummary();
  ASSERT_TRUE(summary.ok()) << summary.status();
  EXPECT_EQ(summary->job.state, JobState::kSucceeded);
  EXPECT_EQ(summary->job.stages.at(0).name, "zero");
  EXPECT_EQ(summary->before->pass_at_1, 0.2);
  EXPECT_FALSE(summary->after.has_value());
  EXPECT_EQ(summary->job.tokens_compared, 1000u);
  EXPECT_EQ(summary->peak_rss_bytes, 123456u);
}

TEST(RunDirectoryTest, DamagedFilesAreErrorsNotCrashes) {
  const TempDir dir;
  const RunDirectory run(dir.path());
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
    (void)run.ViewFromFiles();
  }
}

TEST(RunDirectoryTest, WithoutASummaryTheMetricsTellHowFarItCame) {
  const TempDir dir;
  dir.Write("job.yaml", "seed: 1\nname: \"tiny\"\n");
  dir.Write("metrics.jsonl",
            "{\"stage\":\"zero\",\"step\":0,\"reward\":0.1,\"step_time\":2}\n"
            "{\"stage\":\"zero\",\"step\":1,\"reward\":0.3,\"step_time\":3}\n"
            "{\"stage\":\"zero\",\"st");
  const JobView view = RunDirectory(dir.path()).ViewFromFiles();
  EXPECT_EQ(view.name, "tiny");
  EXPECT_EQ(view.state, JobState::kInterrupted);
  ASSERT_EQ(view.stages.size(), 1u);
  EXPECT_EQ(view.stages[0].steps_done, 2u);
  EXPECT_EQ(view.stages[0].Metric("reward"), 0.3);
  EXPECT_EQ(view.seconds, 5);
}

TEST(RunDirectoryTest, StagesOfAnEndedJobKeepWhatTheyCameTo) {
  const TempDir dir;
  dir.Write("summary.json", R"({"job": "tiny", "state": "succeeded",
      "stages": [{"name": "zero"}, {"name": "after"}],
      "eval": {"after": {"stage": "after", "pass_at_1": 0.75,
                         "mean_completion_length": 12}}})");
  dir.Write("metrics.jsonl",
            "{\"stage\":\"zero\",\"step\":0,\"reward\":0.1}\n"
            "{\"stage\":\"zero\",\"step\":1,\"reward\":0.3}\n");
  const JobView view = RunDirectory(dir.path()).ViewFromFiles();
  EXPECT_EQ(view.stages[0].Metric("reward"), 0.3);
  EXPECT_FALSE(AccuracyOf(view.stages[0]).has_value());
  EXPECT_EQ(AccuracyOf(view.stages[1]), 0.75);
  EXPECT_EQ(LengthOf(view.stages[1]), 12);
}

TEST(RunDirectoryTest, OnlyCheckpointsWithAManifestCount) {
  const TempDir dir;
  dir.Write("checkpoints/step-000010/manifest.json", "{}");
  dir.Write("checkpoints/step-000020/model/x", "");
  EXPECT_THAT(RunDirectory(dir.path()).Checkpoints(),
              ElementsAre(EndsWith("step-000010")));
}

TEST(RunDirectoryTest, ASummaryOfAnEarlierAttemptIsNotTheState) {
  const TempDir dir;
  dir.Write("summary.json", R"({"job": "tiny", "state": "stopped"})");
  const RunDirectory run(dir.path());
  EXPECT_EQ(run.ViewFromFiles().state, JobState::kStopped);
  const std::string endpoint = dir.Write("endpoint.json", "{}");
  std::filesystem::last_write_time(
      endpoint,
      std::filesystem::file_time_type::clock::now() + std::chrono::hours(1));
  EXPECT_EQ(run.ViewFromFiles().state, JobState::kInterrupted);
}

TEST(RunDirectoryTest, EventsAreAppendedALineEach) {
  const TempDir dir;
  const RunDirectory run(dir.path());
  ASSERT_TRUE(run.AppendEvent("died", Json{{"process", "actor-0"}}).ok());
  ASSERT_TRUE(run.AppendEvent("restarted", Json::object()).ok());
  const auto events = run.ReadEvents();
  ASSERT_EQ(events->size(), 2u);
  EXPECT_EQ(TextOr((*events)[0], "process", ""), "actor-0");
}

TEST(RunDirectoryTest, ARunIsFoundByNameByDirectoryOrAsTheLatest) {
  const TempDir root;
  root.Write("old/job.yaml", "name: old\n");
  root.Write("new/job.yaml", "name: new\n");
  root.Write("no-run/x", "");
  std::filesystem::last_write_time(
      root.path() + "/old",
      std::filesystem::file_time_type::clock::now() - std::chrono::hours(1));
  EXPECT_EQ(FindRuns(root.path()).size(), 2u);
  EXPECT_THAT(ResolveRun("old", "", root.path())->path(), EndsWith("/old"));
  EXPECT_THAT(ResolveRun("", "", root.path())->path(), EndsWith("/new"));
  EXPECT_THAT(ResolveRun("", root.path() + "/old", "")->path(),
              EndsWith("/old"));
  const auto missing = ResolveRun("none", "", root.path());
  EXPECT_EQ(missing.status().code(), absl::StatusCode::kNotFound);
  EXPECT_THAT(std::string(missing.status().message()), HasSubstr("none"));
}

TEST(RunDirectoryTest, AZombieIsNotAlive) {
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
}  // namespace aha::cli
