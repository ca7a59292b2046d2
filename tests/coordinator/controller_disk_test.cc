// What a full disk does to a job: it waits, or says what is missing.
#include <signal.h>
#include <sys/resource.h>

#include <filesystem>

#include "coordinator/controller.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "tests/coordinator/controller_fixture.h"

namespace aha::coordinator {
namespace {

using ::testing::AllOf;
using ::testing::HasSubstr;
using ::testing::Not;

TEST_F(ControllerTest, AJobWhoseLastCheckpointIsMissingSaysSoAtItsEnd) {
  EnterGrpo();
  for (uint64_t step = 0; step < 3; ++step) {
    ASSERT_TRUE(Step(0, step).ok());
    if (step == 0) {
      ASSERT_TRUE(Checkpoint(0, 1).ok());
    }
  }
  v1::ReportProblemRequest report;
  report.set_member_id(learners_[0]);
  report.set_epoch(epoch_);
  report.set_message("no checkpoint at step 3: disk full");
  ASSERT_TRUE(controller_->ReportProblem(report).ok());
  EXPECT_EQ(NextStage(), "1/0@" + CheckpointName(0, 1));
  ASSERT_TRUE(Publish({1, 0}).ok());
  Evaluate();
  EXPECT_EQ(State(), v1::JOB_STATE_SUCCEEDED);
  EXPECT_THAT(Problem(),
              AllOf(HasSubstr("in no checkpoint"),
                    HasSubstr("newest is checkpoints/stage-0-step-1"),
                    HasSubstr("disk full")));
  EXPECT_THAT(File("summary.json"), HasSubstr("in no checkpoint"));
  EXPECT_THAT(File("events.jsonl"), HasSubstr("in no checkpoint"));
}

// Files cannot grow while this lives: as on a full disk.
class FullDisk {
 public:
  FullDisk() {
    signal(SIGXFSZ, SIG_IGN);
    getrlimit(RLIMIT_FSIZE, &before_);
    const rlimit full{.rlim_cur = 1, .rlim_max = before_.rlim_max};
    setrlimit(RLIMIT_FSIZE, &full);
  }
  ~FullDisk() { setrlimit(RLIMIT_FSIZE, &before_); }

 private:
  rlimit before_{};
};

TEST_F(ControllerTest, AFullDiskHoldsTheStepAndLosesNothing) {
  EnterGrpo();
  ASSERT_TRUE(Step(0, 0).ok());
  ASSERT_EQ(*BeginStep(0, 1), "GO");
  ASSERT_TRUE(Publish({0, 2}).ok());
  {
    const FullDisk full;
    const absl::Status status = controller_->CommitStep(CommitRequest(0, 1));
    EXPECT_TRUE(absl::IsUnavailable(status)) << status;
    EXPECT_FALSE(weights_->IsVisible({0, 2}));
    EXPECT_THAT(controller_->Status().waits(),
                ::testing::Contains(HasSubstr("coordinator.db")));
    EXPECT_EQ(State(), v1::JOB_STATE_RUNNING);
  }
  ASSERT_TRUE(controller_->CommitStep(CommitRequest(0, 1)).ok());
  EXPECT_THAT(controller_->Status().waits(),
              Not(::testing::Contains(HasSubstr("coordinator.db"))));
  ASSERT_TRUE(Checkpoint(0, 2).ok());
  Start();
  EXPECT_EQ(controller_->Status().checksum(), ChainAfter(0, 1).Hex());
  EXPECT_THAT(File("metrics.jsonl"), HasSubstr("\"step\":1"));
}

TEST_F(ControllerTest, ALineThatMetricsLackComesWithTheNext) {
  EnterGrpo();
  ASSERT_EQ(*BeginStep(0, 0), "GO");
  ASSERT_TRUE(Publish({0, 1}).ok());
  // No file can be made under this name, so nothing can be appended.
  const std::string path = dir_.path() + "/metrics.jsonl";
  std::filesystem::remove(path);
  std::filesystem::create_directory(path);
  ASSERT_TRUE(controller_->CommitStep(CommitRequest(0, 0)).ok());
  std::filesystem::remove(path);
  ASSERT_TRUE(Step(0, 1).ok());
  EXPECT_THAT(File("metrics.jsonl"),
              AllOf(HasSubstr("\"step\":0"), HasSubstr("\"step\":1")));
}

TEST_F(ControllerTest, AnEvalResultIsRecordedByItselfOnceTheDiskTakesIt) {
  EnterGrpo();
  for (uint64_t step = 0; step < 3; ++step) ASSERT_TRUE(Step(0, step).ok());
  ASSERT_TRUE(Checkpoint(0, 3).ok());
  NextStage();
  ASSERT_TRUE(Publish({1, 0}).ok());
  {
    const FullDisk full;
    Evaluate();
    Pass(absl::Seconds(1));
    EXPECT_EQ(State(), v1::JOB_STATE_RUNNING);
    EXPECT_THAT(controller_->Status().waits(),
                ::testing::Contains(HasSubstr("coordinator.db")));
  }
  Pass(absl::Seconds(1));
  EXPECT_EQ(State(), v1::JOB_STATE_SUCCEEDED);
  EXPECT_THAT(File("summary.json"), HasSubstr("\"pass_at_1\": 1.0"));
}

TEST_F(ControllerTest, ADiskThatStaysFullFailsTheJobAndItCanBeContinued) {
  EnterGrpo();
  ASSERT_TRUE(Step(0, 0).ok());
  ASSERT_TRUE(Checkpoint(0, 1).ok());
  ASSERT_EQ(*BeginStep(0, 1), "GO");
  ASSERT_TRUE(Publish({0, 2}).ok());
  {
    const FullDisk full;
    for (int i = 0; i <= 102 && !controller_->Ended(); ++i) {
      EXPECT_FALSE(controller_->CommitStep(CommitRequest(0, 1)).ok());
      Heartbeats();
      Pass(absl::Seconds(1));
    }
  }
  EXPECT_EQ(State(), v1::JOB_STATE_FAILED);
  EXPECT_THAT(Problem(), AllOf(HasSubstr("1m40s"), HasSubstr("disk I/O error"),
                               HasSubstr(dir_.path() + "/coordinator.db"),
                               HasSubstr("bytes are free there")));
  Start();
  JoinAll();
  EXPECT_EQ(NextStage(), "0/1@" + CheckpointName(0, 1));
  ASSERT_TRUE(Publish({0, 1}).ok());
  EXPECT_TRUE(Step(0, 1).ok());
}

}  // namespace
}  // namespace aha::coordinator
