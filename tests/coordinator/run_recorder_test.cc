// Events, metrics, times and the summary, without a controller.
#include "coordinator/run_recorder.h"

#include <filesystem>
#include <fstream>
#include <iterator>

#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "nlohmann/json.hpp"
#include "tests/coordinator/fake_cluster.h"

namespace aha::coordinator {
namespace {

using ::testing::AllOf;
using ::testing::HasSubstr;
using ::testing::Not;

class RunRecorderTest : public ::testing::Test {
 protected:
  RunRecorderTest() {
    plan_ = MakePlan(TinyJob());
    directory_ = *run::RunWriter::Open(dir_.path());
    store_ = *StateStore::Open(directory_->File("coordinator.db"));
    history_ = std::make_unique<History>(*History::Load(&plan_, store_.get()));
    recorder_ = Make({});
  }
  std::unique_ptr<RunRecorder> Make(std::map<uint32_t, double> seconds) {
    const Clock clock = [this] { return now_; };
    return std::make_unique<RunRecorder>(
        RunRecorder::Parts{.plan = &plan_,
                           .directory = directory_.get(),
                           .store = store_.get(),
                           .series = Series(metrics_, plan_),
                           .clock = clock,
                           .wall_clock = clock},
        std::move(seconds));
  }
  // Commits a step and records it, with figures as the learner reports them.
  void Step(uint64_t step, double num_tokens = 0) {
    const CommitRecord commit{.stage = 0,
                              .step = step,
                              .groups = 2,
                              .tokens = 20,
                              .metrics_line = "line " + std::to_string(step)};
    ASSERT_TRUE(history_->Commit(commit, 0).ok());
    recorder_->RecordStep(
        commit, {{"num_tokens", num_tokens}, {"step_time", 2}, {"kl", 0.5}},
        history_->position());
  }
  std::string File(const std::string& name) const {
    std::ifstream file(dir_.path() + "/" + name);
    return std::string(std::istreambuf_iterator<char>(file), {});
  }
  nlohmann::json Summary() {
    recorder_->WriteSummary(run::JobState::kFailed, "out of luck", *history_);
    return nlohmann::json::parse(File("summary.json"));
  }

  TempDir dir_;
  absl::Time now_ = absl::UnixEpoch();
  JobPlan plan_;
  metrics::Registry metrics_{"test"};
  std::unique_ptr<run::RunWriter> directory_;
  std::unique_ptr<StateStore> store_;
  std::unique_ptr<History> history_;
  std::unique_ptr<RunRecorder> recorder_;
};

TEST_F(RunRecorderTest, EventsAreLinesWithTheirText) {
  recorder_->Event("joined", "actor actor-0");
  recorder_->Failure("it broke");
  EXPECT_THAT(File("events.jsonl"),
              AllOf(HasSubstr("\"event\":\"joined\""),
                    HasSubstr("\"text\":\"actor actor-0\""),
                    HasSubstr("\"event\":\"problem\",\"text\":\"it broke\"")));
}

TEST_F(RunRecorderTest, FailuresAndWarningsAreCounted) {
  recorder_->Event("joined", "actor actor-0");
  EXPECT_EQ(recorder_->series().problems.Value(), 0);
  recorder_->Warning("it hurts");
  recorder_->Failure("it broke");
  EXPECT_EQ(recorder_->series().problems.Value(), 2);
}

TEST_F(RunRecorderTest, TheClockOfAStageRunsFromWhenTheJobRuns) {
  recorder_->EnterStage(0, /*running=*/false, "0");
  now_ += absl::Seconds(5);
  EXPECT_EQ(recorder_->StageSeconds(0), 0) << "it waited for members";
  EXPECT_FALSE(recorder_->IsRunning(0));
  recorder_->StartClock();
  now_ += absl::Seconds(2);
  recorder_->StartClock();
  now_ += absl::Seconds(1);
  EXPECT_TRUE(recorder_->IsRunning(0));
  EXPECT_EQ(recorder_->StageSeconds(0), 3);
  EXPECT_EQ(recorder_->StageSeconds(1), 0);
}

TEST_F(RunRecorderTest, AStageKeepsItsTimeWhenItIsLeftAndEnteredAgain) {
  recorder_ = Make({{0, 10}});
  recorder_->EnterStage(0, /*running=*/true, "0");
  now_ += absl::Seconds(1);
  recorder_->LeaveStage();
  now_ += absl::Seconds(100);
  EXPECT_EQ(recorder_->StageSeconds(0), 11);
  recorder_->EnterStage(0, /*running=*/true, "0");
  now_ += absl::Seconds(1);
  EXPECT_EQ(recorder_->StageSeconds(0), 12);
}

TEST_F(RunRecorderTest, ALineThatCouldNotBeWrittenComesWithTheNext) {
  // No file can be made under this name, so nothing can be appended.
  std::filesystem::create_directory(dir_.path() + "/metrics.jsonl");
  Step(0);
  std::filesystem::remove(dir_.path() + "/metrics.jsonl");
  recorder_->RepairMetrics(history_->position());
  EXPECT_EQ(File("metrics.jsonl"), "line 0\n");
  Step(1);
  EXPECT_EQ(File("metrics.jsonl"), "line 0\nline 1\n");
}

TEST_F(RunRecorderTest, AFileThatLacksNothingIsNotRepaired) {
  Step(0);
  std::filesystem::remove(dir_.path() + "/metrics.jsonl");
  recorder_->RepairMetrics(history_->position());
  EXPECT_EQ(File("metrics.jsonl"), "");
}

TEST_F(RunRecorderTest, AStepMovesTheCountersAndTheGauges) {
  now_ += absl::Seconds(60);
  Step(0);
  EXPECT_EQ(recorder_->series().steps.Value(), 1);
  EXPECT_EQ(recorder_->series().groups_trained.Value(), 2);
  EXPECT_EQ(recorder_->series().tokens.Value(), 20);
  EXPECT_EQ(recorder_->series().last_progress.Value(), 60);
  EXPECT_THAT(metrics_.Text(), HasSubstr("aha_step_kl 0.5"));
}

TEST_F(RunRecorderTest, TheTrainingRateLeavesOutWhatAnEarlierProcessDid) {
  Step(0, /*num_tokens=*/1000);
  Step(1, /*num_tokens=*/1300);
  EXPECT_EQ(Summary()["train_tokens_per_second"], 150);
}

TEST_F(RunRecorderTest, TheSummarySaysHowAndWhereTheJobEnded) {
  Step(0);
  const nlohmann::json summary = Summary();
  EXPECT_EQ(summary["state"], "failed");
  EXPECT_EQ(summary["problem"], "out of luck");
  EXPECT_EQ(summary["steps"], 1);
  EXPECT_EQ(summary["stages"][0]["steps_done"], 1);
  EXPECT_EQ(summary["stages"][0]["steps_total"], 3);
  EXPECT_EQ(summary["stages"][1]["type"], "eval");
  EXPECT_FALSE(summary["stages"][1]["done"]);
  EXPECT_TRUE(recorder_->HasSummary());
  recorder_->RemoveSummary();
  EXPECT_FALSE(recorder_->HasSummary());
}

TEST_F(RunRecorderTest, AnEvaluationAfterTrainingIsCalledAfter) {
  ASSERT_TRUE(
      history_->AddEval({.stage = 1, .prompts = 2, .pass_at_1 = 0.5}, 0).ok());
  const nlohmann::json eval = Summary()["eval"];
  EXPECT_EQ(eval["after"]["pass_at_1"], 0.5);
  EXPECT_FALSE(eval.contains("before"));
}

}  // namespace
}  // namespace aha::coordinator
