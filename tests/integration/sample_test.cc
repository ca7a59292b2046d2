// A sample stage on real processes: whatever is killed in the middle of it, and
// however many actors there are, the data set has the same bytes and the job
// the same checksum.
#include <signal.h>

#include <algorithm>
#include <fstream>
#include <string>
#include <vector>

#include "base/hash.h"
#include "gtest/gtest.h"
#include "nlohmann/json.hpp"
#include "tests/integration/local_cluster.h"
#include "tests/integration/outcome.h"

namespace aha::testing {
namespace {

constexpr int64_t kLines = 160 * 3;

struct Sampled {
  Outcome outcome;
  std::string bytes;
};

std::string JobFile() { return SourceFile("tests/integration/sample.yaml"); }

std::string DatasetIn(const std::string& run) {
  return ReadFileOrEmpty(run + "/datasets/answers.jsonl");
}

int64_t LinesIn(const std::string& run) {
  const std::string bytes = DatasetIn(run);
  return std::count(bytes.begin(), bytes.end(), '\n');
}

// In the middle of the stage.
bool AwaitLines(LocalCluster& cluster, const std::string& run, int64_t lines) {
  Eventually([&] { return LinesIn(run) >= lines || cluster.Over(); },
             absl::Minutes(2));
  return LinesIn(run) >= lines && LinesIn(run) < kLines;
}

Sampled Finished(LocalCluster& cluster, const std::string& run) {
  Sampled sampled{.outcome = Finish(cluster), .bytes = {}};
  sampled.bytes = DatasetIn(run);
  return sampled;
}

Sampled RunJob(const std::vector<std::string>& arguments) {
  TempDir scratch;
  const std::string run = scratch.path() + "/run";
  LocalCluster cluster(JobFile(), run, arguments);
  return Finished(cluster, run);
}

// One actor, undisturbed; once a process.
const Sampled& ReferenceRun() {
  static const Sampled& sampled = *new Sampled(RunJob({}));
  return sampled;
}

void ExpectSameDataset(const Sampled& sampled) {
  const Sampled& reference = ReferenceRun();
  ExpectSame(sampled.outcome, reference.outcome);
  ASSERT_EQ(std::count(sampled.bytes.begin(), sampled.bytes.end(), '\n'),
            kLines);
  EXPECT_TRUE(sampled.bytes == reference.bytes) << "the data sets differ";
}

TEST(SampleTest, TheSummaryNamesTheFileAndItsChecksum) {
  const Sampled& reference = ReferenceRun();
  ExpectSucceeded(reference.outcome);
  const nlohmann::json& stage = reference.outcome.summary["stages"][1];
  EXPECT_EQ(stage["type"], "sample");
  EXPECT_EQ(stage["dataset"]["file"], "datasets/answers.jsonl");
  EXPECT_EQ(stage["dataset"]["prompts"], 160);
  EXPECT_EQ(stage["dataset"]["completions"], kLines);
  EXPECT_EQ(stage["dataset"]["checksum"],
            HashBytes(reference.bytes.data(), reference.bytes.size()).Hex());
}

TEST(SampleTest, TheFirstLineIsOfTheFirstPromptAndScored) {
  const std::string& bytes = ReferenceRun().bytes;
  const auto line =
      nlohmann::json::parse(bytes.substr(0, bytes.find('\n')), nullptr, false);
  ASSERT_TRUE(line.is_object()) << ReferenceRun().outcome.output;
  EXPECT_EQ(line["sample"], 0);
  EXPECT_EQ(line["token_ids"].size(), line["logprobs"].size());
  EXPECT_FALSE(line["prompt_token_ids"].empty());
  EXPECT_TRUE(line["rewards"].contains("contains"));
  EXPECT_TRUE(line["rewards"].contains("format"));
}

TEST(SampleTest, ThreeActorsMakeTheSameFile) {
  ExpectSameDataset(RunJob({"--actors", "3"}));
}

// The negative control: were the file the same for any job, the comparisons of
// the other tests would say nothing.
TEST(SampleTest, AnotherSeedMakesAnotherFile) {
  const Sampled other = RunJob({"--set", "seed=14"});
  ExpectSucceeded(other.outcome);
  EXPECT_EQ(std::count(other.bytes.begin(), other.bytes.end(), '\n'), kLines);
  EXPECT_FALSE(other.bytes == ReferenceRun().bytes);
}

TEST(SampleTest, AKilledActorChangesNothing) {
  TempDir scratch;
  const std::string run = scratch.path() + "/run";
  LocalCluster cluster(JobFile(), run, {"--actors", "2"});
  ASSERT_TRUE(AwaitLines(cluster, run, 30)) << cluster.Output();
  const pid_t pid = PidOf(cluster, "actor");
  ASSERT_GT(pid, 0);
  ASSERT_EQ(kill(pid, SIGKILL), 0);
  ExpectSameDataset(Finished(cluster, run));
}

TEST(SampleTest, AKilledCoordinatorContinuesAtTheEndOfTheFile) {
  TempDir scratch;
  const std::string run = scratch.path() + "/run";
  LocalCluster cluster(JobFile(), run, {});
  ASSERT_TRUE(AwaitLines(cluster, run, 30)) << cluster.Output();
  const pid_t pid = PidOf(cluster, "coordinator");
  ASSERT_GT(pid, 0);
  ASSERT_EQ(kill(pid, SIGKILL), 0);
  // `ahactl run` ends with its coordinator; the job continues with --resume.
  EXPECT_NE(cluster.Wait(kRunLimit), 0);
  LocalCluster resumed(JobFile(), run, {"--resume"});
  ExpectSameDataset(Finished(resumed, run));
}

TEST(SampleTest, EverythingKilledTwiceAndResumedChangesNothing) {
  TempDir scratch;
  const std::string run = scratch.path() + "/run";
  std::vector<std::string> arguments;
  for (const int64_t lines : {20, 200}) {
    LocalCluster cluster(JobFile(), run, arguments);
    ASSERT_TRUE(AwaitLines(cluster, run, lines)) << cluster.Output();
    KillEverything(cluster);
    arguments = {"--resume"};
  }
  LocalCluster last(JobFile(), run, arguments);
  ExpectSameDataset(Finished(last, run));
}

TEST(SampleTest, AJobOfOneSampleStageNeedsNoTraining) {
  TempDir scratch;
  const std::string run = scratch.path() + "/run";
  const std::string job = scratch.path() + "/job.yaml";
  std::string text = ReadFileOrEmpty(JobFile());
  const size_t begin = text.find("  - name: learn");
  text.erase(begin, text.find("  - name: answers") - begin);
  std::ofstream(job) << text;
  {
    LocalCluster cluster(job, run, {});
    ASSERT_TRUE(AwaitLines(cluster, run, 30)) << cluster.Output();
    KillEverything(cluster);
  }
  LocalCluster resumed(job, run, {"--resume"});
  const Sampled sampled = Finished(resumed, run);
  ASSERT_EQ(sampled.outcome.exit_code, 0) << sampled.outcome.output;
  EXPECT_EQ(sampled.outcome.summary["state"], "succeeded");
  const std::string whole = scratch.path() + "/whole";
  LocalCluster undisturbed(job, whole, {"--actors", "2"});
  const Sampled reference = Finished(undisturbed, whole);
  ASSERT_EQ(reference.outcome.exit_code, 0) << reference.outcome.output;
  EXPECT_TRUE(sampled.bytes == reference.bytes) << "the data sets differ";
  EXPECT_FALSE(sampled.bytes == ReferenceRun().bytes)
      << "training changes what is sampled";
}

}  // namespace
}  // namespace aha::testing
