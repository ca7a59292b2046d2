// The state of a learner rank on its own: what it begins with, and what its
// checkpoints keep.
#include "learner/training_state.h"

#include <filesystem>

#include "base/file_io.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "tests/learner/fixture.h"
#include "tests/learner/recording_cluster.h"
#include "tests/temp_dir.h"

namespace aha::learner {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;

v1::NextStageResponse StageFrom(uint32_t stage, uint64_t first_step,
                                const Hash128& chain = {},
                                const std::string& checkpoint = "") {
  v1::NextStageResponse next;
  next.set_stage(stage);
  next.set_first_step(first_step);
  next.set_chain(chain.ToBytes());
  next.set_checkpoint(checkpoint);
  return next;
}

class TrainingStateTest : public testing::Test {
 protected:
  std::unique_ptr<TrainingState> NewState() {
    return std::make_unique<TrainingState>(TrainingStateParts{
        .plan = &plan_,
        .setup = &setup_,
        .context = ops::CpuContext{&pool_},
        .cluster = &cluster_,
        .ranks = &ranks_,
        .run_directory = run_.path(),
        .clock = MonotonicClock(),
        .checkpoint_gauge = [this](bool ok) { written_.push_back(ok); }});
  }

  // The state after the sft stage was trained up to `next_step`.
  TrainingPosition Trained(TrainingState& state, uint64_t next_step) {
    TrainingPosition position = state.BeginStep();
    position.next_step = next_step;
    position.stage_done = next_step == plan_.stages[kSftStage].steps;
    position.chain = HashBytes(&next_step, sizeof(next_step));
    state.FinishStep(position);
    return position;
  }

  // Settles the optimizer of the stage, as a StageWork does; a checkpoint
  // needs it.
  void BeginStage(TrainingState& state) {
    ASSERT_TRUE(
        state.model()
            .BeginStage(
                {.optimizer = plan_.job.stages(kSftStage).sft().optimizer(),
                 .steps = plan_.stages[kSftStage].steps},
                0)
            .ok());
  }

  const TempDir run_{Memory()};
  const JobPlan plan_ = MakePlan(TinyJob());
  const ModelSetup setup_ = MakeSetup(plan_.job);
  ThreadPool pool_{1};
  RecordingCluster cluster_;
  RankSet ranks_{0, absl::Seconds(1), MonotonicClock(), nullptr};
  std::vector<bool> written_;
  std::unique_ptr<TrainingState> state_ = NewState();
};

TEST_F(TrainingStateTest, AJobBeginsWithItsStartingWeights) {
  ASSERT_TRUE(state_->Bring(StageFrom(0, 0)).ok());
  const auto fresh = FreshState(plan_.job, setup_, &pool_);
  EXPECT_EQ(WeightsChecksum(state_->model().weights()),
            WeightsChecksum(fresh->weights()));
  EXPECT_EQ(state_->position().weights_checksum,
            WeightsChecksum(fresh->weights()));
  EXPECT_FALSE(state_->position().stage_done);
  EXPECT_EQ(state_->position().chain, Hash128{});
}

TEST_F(TrainingStateTest, StepsThatNoCheckpointKeepsCannotBeResumed) {
  const absl::Status status = state_->Bring(StageFrom(0, 2));
  EXPECT_TRUE(absl::IsFailedPrecondition(status));
  EXPECT_EQ(status.message(),
            "stage 0 continues from step 2 but the coordinator names no "
            "checkpoint");
}

TEST_F(TrainingStateTest, AStateThatFitsStaysAsItIs) {
  ASSERT_TRUE(state_->Bring(StageFrom(0, 0)).ok());
  const TrainingPosition position = Trained(*state_, 4);
  const auto* weights = state_->model().weights().data();
  // The next stage, of the same history.
  ASSERT_TRUE(state_->Bring(StageFrom(kEvalStage, 0, position.chain)).ok());
  EXPECT_EQ(state_->model().weights().data(), weights);
  EXPECT_EQ(state_->position().stage, kEvalStage);
  EXPECT_EQ(state_->position().next_step, 0u);
  EXPECT_FALSE(state_->position().stage_done);
  EXPECT_EQ(state_->position().chain, position.chain);
}

TEST_F(TrainingStateTest, AnotherNumberOfRanksNeedsAnotherShard) {
  ASSERT_TRUE(state_->Bring(StageFrom(0, 0)).ok());
  EXPECT_EQ(state_->model().sharding(), (Sharding{.rank = 0, .ranks = 1}));
  v1::NextStageResponse two = StageFrom(0, 0);
  two.add_learner_addresses("host:0");
  two.add_learner_addresses("host:1");
  ASSERT_TRUE(state_->Bring(two).ok());
  EXPECT_EQ(state_->model().sharding(), (Sharding{.rank = 0, .ranks = 2}));
}

TEST_F(TrainingStateTest, AStageThatDoesNotTrainTakesAnyShard) {
  v1::NextStageResponse two = StageFrom(0, 0);
  two.add_learner_addresses("host:0");
  two.add_learner_addresses("host:1");
  ASSERT_TRUE(state_->Bring(two).ok());
  const TrainingPosition position = Trained(*state_, 4);
  ASSERT_TRUE(state_->Bring(StageFrom(kEvalStage, 0, position.chain)).ok());
  EXPECT_EQ(state_->model().sharding().ranks, 2);
}

TEST_F(TrainingStateTest, AfterAStepThatFailedTheStateIsSetAgain) {
  ASSERT_TRUE(state_->Bring(StageFrom(0, 0)).ok());
  state_->BeginStep();
  EXPECT_FALSE(state_->has_unsaved_steps());
  ASSERT_TRUE(state_->Bring(StageFrom(0, 0)).ok());
  EXPECT_EQ(state_->position().next_step, 0u);
}

TEST_F(TrainingStateTest, ACheckpointIsWrittenAndTheCoordinatorLearnsOfIt) {
  ASSERT_TRUE(state_->Bring(StageFrom(0, 0)).ok());
  BeginStage(*state_);
  const TrainingPosition position = Trained(*state_, 2);
  EXPECT_TRUE(state_->has_unsaved_steps());
  ASSERT_TRUE(state_->SaveCheckpoint().ok());
  EXPECT_FALSE(state_->has_unsaved_steps());
  EXPECT_THAT(written_, ElementsAre(true));
  ASSERT_EQ(cluster_.checkpoints.size(), 1u);
  const v1::CommitCheckpointRequest& sent = cluster_.checkpoints[0];
  EXPECT_EQ(sent.directory(), "checkpoints/pretrain-step-000002");
  EXPECT_EQ(sent.next_step(), 2u);
  EXPECT_EQ(sent.chain(), position.chain.ToBytes());
  EXPECT_TRUE(std::filesystem::exists(run_.path() + "/" + sent.directory()));
}

TEST_F(TrainingStateTest, TheSameStateIsNotWrittenTwiceButCommittedAgain) {
  ASSERT_TRUE(state_->Bring(StageFrom(0, 0)).ok());
  BeginStage(*state_);
  Trained(*state_, 2);
  ASSERT_TRUE(state_->SaveCheckpoint().ok());
  ASSERT_TRUE(state_->SaveCheckpoint().ok());
  EXPECT_THAT(written_, ElementsAre(true));
  EXPECT_EQ(cluster_.checkpoints.size(), 2u);
}

TEST_F(TrainingStateTest, ACheckpointThatCannotBeWrittenIsReported) {
  ASSERT_TRUE(state_->Bring(StageFrom(0, 0)).ok());
  BeginStage(*state_);
  Trained(*state_, 2);
  // A file where the directory of checkpoints would be.
  ASSERT_TRUE(ReplaceFile(run_.path() + "/checkpoints", "").ok());
  ASSERT_TRUE(state_->SaveCheckpoint().ok());
  EXPECT_THAT(written_, ElementsAre(false));
  EXPECT_TRUE(state_->has_unsaved_steps());
  EXPECT_THAT(cluster_.checkpoints, IsEmpty());
  EXPECT_THAT(cluster_.reports,
              ElementsAre(HasSubstr("note: no checkpoint at step 2: ")));
}

TEST_F(TrainingStateTest, ACheckpointIsResumedFromWhereItLeads) {
  ASSERT_TRUE(state_->Bring(StageFrom(0, 0)).ok());
  BeginStage(*state_);
  const TrainingPosition position = Trained(*state_, 2);
  ASSERT_TRUE(state_->SaveCheckpoint().ok());
  const auto resumed = NewState();
  const std::string directory = cluster_.checkpoints[0].directory();
  ASSERT_TRUE(resumed->Bring(StageFrom(0, 2, position.chain, directory)).ok());
  EXPECT_EQ(resumed->position().next_step, 2u);
  EXPECT_EQ(resumed->position().chain, position.chain);
  const int64_t count = ParameterLayout(setup_.config).count();
  WholeState saved(count), loaded(count);
  saved.AddShard(state_->model());
  loaded.AddShard(resumed->model());
  EXPECT_TRUE(SameBytes(saved, loaded));
  EXPECT_FALSE(resumed->has_unsaved_steps());
}

TEST_F(TrainingStateTest, ACheckpointThatLeadsElsewhereIsRefused) {
  ASSERT_TRUE(state_->Bring(StageFrom(0, 0)).ok());
  BeginStage(*state_);
  const TrainingPosition position = Trained(*state_, 2);
  ASSERT_TRUE(state_->SaveCheckpoint().ok());
  const std::string directory = cluster_.checkpoints[0].directory();
  const Hash128 other_history = HashBytes("x", 1);
  for (const v1::NextStageResponse& next :
       {StageFrom(0, 3, position.chain, directory),     // Another step.
        StageFrom(0, 2, other_history, directory),      // Another history.
        StageFrom(1, 0, position.chain, directory)}) {  // Stage 0 not done.
    const absl::Status status = NewState()->Bring(next);
    EXPECT_TRUE(absl::IsFailedPrecondition(status)) << status;
    EXPECT_THAT(std::string(status.message()),
                HasSubstr("holds stage 0, step 2"));
  }
}

TEST_F(TrainingStateTest, ACheckpointOfAStageThatDoesNotTrainLeadsBeyondIt) {
  ASSERT_TRUE(state_->Bring(StageFrom(0, 0)).ok());
  BeginStage(*state_);
  TrainingPosition position = Trained(*state_, 4);
  position.stage = kEvalStage;
  position.next_step = 0;
  position.stage_done = false;
  state_->FinishStep(position);
  ASSERT_TRUE(state_->SaveCheckpoint().ok());
  const std::string directory = cluster_.checkpoints[0].directory();
  const auto resumed = NewState();
  ASSERT_TRUE(
      resumed->Bring(StageFrom(kGrpoStage, 0, position.chain, directory)).ok());
  EXPECT_EQ(resumed->position().stage, kGrpoStage);
}

}  // namespace
}  // namespace aha::learner
