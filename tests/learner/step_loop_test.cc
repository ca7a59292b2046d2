// The loop over the steps of a stage on its own, with one rank and the sft
// stage of the tiny job: 4 steps, a checkpoint every 2.
#include "learner/step_loop.h"

#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "tests/learner/fixture.h"
#include "tests/learner/recording_cluster.h"
#include "tests/temp_dir.h"

namespace aha::learner {
namespace {

using ::testing::ElementsAre;
using ::testing::IsEmpty;
using Go = v1::BeginStepResponse;

class StepLoopTest : public testing::Test {
 protected:
  StepLoopTest() {
    v1::NextStageResponse next;
    next.add_learner_addresses("host:0");
    EXPECT_TRUE(ranks_.Join(cluster_.epoch(), next).ok());
    EXPECT_TRUE(state_.Bring(next).ok());
  }

  absl::Status Run() { return loop_.Run(kSftStage, 0); }

  std::vector<uint64_t> CommittedSteps() const {
    std::vector<uint64_t> steps;
    for (const auto& commit : cluster_.commits) steps.push_back(commit.step());
    return steps;
  }
  std::vector<uint64_t> CheckpointedSteps() const {
    std::vector<uint64_t> steps;
    for (const auto& one : cluster_.checkpoints) {
      steps.push_back(one.next_step());
    }
    return steps;
  }

  const TempDir run_{Memory()};
  const JobPlan plan_ = MakePlan(TinyJob());
  const ModelSetup setup_ = MakeSetup(plan_.job);
  ThreadPool pool_{1};
  RecordingCluster cluster_;
  GroupBuffer buffer_{MonotonicClock()};
  LearnerGauges gauges_;
  Waits waits_{&cluster_, MonotonicClock(), nullptr};
  RankSet ranks_{0, absl::Seconds(1), MonotonicClock(),
                 [](const v1::NextStageResponse&)
                     -> absl::StatusOr<std::unique_ptr<comm::Communicator>> {
                   return comm::NewSingle();
                 }};
  TrainingState state_{{.plan = &plan_,
                        .setup = &setup_,
                        .context = ops::CpuContext{&pool_},
                        .cluster = &cluster_,
                        .ranks = &ranks_,
                        .run_directory = run_.path(),
                        .clock = MonotonicClock(),
                        .checkpoint_gauge = nullptr}};
  StepLoop loop_{{.plan = &plan_,
                  .setup = &setup_,
                  .cluster = &cluster_,
                  .buffer = &buffer_,
                  .ranks = &ranks_,
                  .state = &state_,
                  .waits = &waits_,
                  .gauges = &gauges_,
                  .run_directory = run_.path(),
                  .clock = MonotonicClock()}};
};

TEST_F(StepLoopTest, EveryStepIsCommittedOnceAndInOrder) {
  ASSERT_TRUE(Run().ok());
  EXPECT_THAT(CommittedSteps(), ElementsAre(0, 1, 2, 3));
  EXPECT_TRUE(cluster_.commits.back().stage_done());
  EXPECT_EQ(state_.position().next_step, 4u);
  EXPECT_TRUE(state_.position().stage_done);
  EXPECT_EQ(state_.position().chain.ToBytes(), cluster_.commits.back().chain());
}

TEST_F(StepLoopTest, AStageThatSamplesNothingPublishesOnlyItsFirstVersion) {
  ASSERT_TRUE(Run().ok());
  EXPECT_THAT(cluster_.published, ElementsAre(WeightsId{kSftStage, 0}));
}

TEST_F(StepLoopTest, CheckpointsAreWrittenWhenDueAndAtTheEnd) {
  ASSERT_TRUE(Run().ok());
  EXPECT_THAT(CheckpointedSteps(), ElementsAre(2, 4));
}

TEST_F(StepLoopTest, ACoordinatorThatSaysWaitIsAskedAgain) {
  int asked = 0;
  cluster_.go = [&](uint64_t step) {
    return step == 1 && ++asked < 3 ? Go::WAIT : Go::GO;
  };
  ASSERT_TRUE(Run().ok());
  EXPECT_EQ(asked, 3);
  EXPECT_THAT(CommittedSteps(), ElementsAre(0, 1, 2, 3));
}

TEST_F(StepLoopTest, StopAfterCheckpointEndsTheLoopBehindACheckpoint) {
  cluster_.go = [](uint64_t step) {
    return step == 3 ? Go::STOP_AFTER_CHECKPOINT : Go::GO;
  };
  ASSERT_TRUE(Run().ok());
  EXPECT_THAT(CommittedSteps(), ElementsAre(0, 1, 2));
  EXPECT_THAT(CheckpointedSteps(), ElementsAre(2, 3));
}

TEST_F(StepLoopTest, WhatTheCoordinatorRefusesEndsTheLoop) {
  cluster_.go = [](uint64_t) -> absl::StatusOr<Go::Go> {
    return absl::AbortedError("joined anew");
  };
  EXPECT_TRUE(absl::IsAborted(Run()));
  EXPECT_THAT(CommittedSteps(), IsEmpty());
}

TEST_F(StepLoopTest, ACommitThatIsLostEndsTheLoopWithoutACheckpoint) {
  cluster_.commit_answer = absl::AbortedError("the job went back");
  EXPECT_TRUE(absl::IsAborted(Run()));
  EXPECT_THAT(CommittedSteps(), ElementsAre(0));
  EXPECT_THAT(CheckpointedSteps(), IsEmpty());
}

TEST_F(StepLoopTest, ARankThatStopsFinishesTheStepAndSavesIt) {
  cluster_.go = [&](uint64_t step) {
    if (step == 2) ranks_.Stop();
    return Go::GO;
  };
  EXPECT_TRUE(absl::IsAborted(Run()));
  EXPECT_THAT(CommittedSteps(), ElementsAre(0, 1, 2));
  EXPECT_THAT(CheckpointedSteps(), ElementsAre(2, 3));
}

TEST_F(StepLoopTest, TheMemoryOfTheStateIsShownWhenTheStageBegins) {
  std::vector<StateMemory> shown;
  gauges_.memory = [&](const StateMemory& memory) { shown.push_back(memory); };
  ASSERT_TRUE(Run().ok());
  ASSERT_EQ(shown.size(), 1u);
  EXPECT_GT(shown[0].weights, 0);
}

TEST_F(StepLoopTest, TheMetricsOfAStepSayHowLongItsPartsTook) {
  ASSERT_TRUE(Run().ok());
  for (const char* name : {"time/wait_for_groups", "time/train", "time/publish",
                           "step_time", "num_tokens"}) {
    EXPECT_TRUE(cluster_.commits[0].metrics().contains(name)) << name;
  }
}

TEST_F(StepLoopTest, TheGaugesFollowTheVersion) {
  std::vector<uint64_t> versions;
  gauges_.version = [&](uint64_t version) { versions.push_back(version); };
  ASSERT_TRUE(Run().ok());
  EXPECT_THAT(versions, ElementsAre(0, 1, 2, 3, 4));
}

TEST_F(StepLoopTest, AStageOfAKindThatDoesNotTrainIsRefused) {
  EXPECT_TRUE(absl::IsInvalidArgument(loop_.Run(kEvalStage, 0)));
}

}  // namespace
}  // namespace aha::learner
