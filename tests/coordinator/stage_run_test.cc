// Each kind of stage alone: sft, grpo and eval.  (sample: sample_run_test.cc.)
#include "coordinator/stages/stage_run.h"

#include <algorithm>

#include "aha/v1/options.pb.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "tests/coordinator/stage_fixture.h"

namespace aha::coordinator {
namespace {

using ::testing::HasSubstr;
using ::testing::UnorderedElementsAreArray;

StagePlan SftStage() {
  return {.name = "pretrain",
          .kind = "sft",
          .traits = {.trains = true},
          .steps = 2,
          .sampling = {}};
}

StagePlan GrpoStage(uint64_t lag = 0) {
  return {.name = "learn",
          .kind = "grpo",
          .traits = {.trains = true,
                     .consumer = GroupConsumer::kLearner,
                     .prompts = PromptUse::kTrainingShuffled},
          .steps = 3,
          .groups = 2,
          .num_generations = 2,
          .lag = lag,
          .sampling = {}};
}

StagePlan EvalStage() {
  return {.name = "after",
          .kind = "eval",
          .traits = {.consumer = GroupConsumer::kCoordinator,
                     .prompts = PromptUse::kHeldOutInOrder},
          .groups = 2,
          .num_generations = 2,
          .sampling = {}};
}

TEST(StageKindTest, EveryKindOfTheJobFileHasARun) {
  const google::protobuf::FieldDescriptor* type =
      v1::Stage::descriptor()->FindFieldByName("type");
  const auto& rule = type->options().GetExtension(v1::rule);
  EXPECT_THAT(StageKindNames(), UnorderedElementsAreArray(rule.one_of().begin(),
                                                          rule.one_of().end()));
}

class SftRunTest : public StageTest {
 protected:
  SftRunTest() : StageTest(SftStage()) {}
};

TEST_F(SftRunTest, ItHasNoGroupsAndTakesNoneIn) {
  EXPECT_EQ(run_->ledger(), nullptr);
  EXPECT_FALSE(run_->collects_groups());
  EXPECT_TRUE(absl::IsFailedPrecondition(run_->Deliver(Group(0)).status()));
}

TEST_F(SftRunTest, StepsAreCommittedWithoutPublishing) {
  EXPECT_TRUE(Commit(0).ok());
  EXPECT_EQ(run_->UnitsDone(), 1u);
  EXPECT_FALSE(run_->AllStepsCommitted());
  EXPECT_TRUE(Commit(1).ok());
  EXPECT_TRUE(run_->AllStepsCommitted());
}

TEST_F(SftRunTest, AStepIsInProgressUntilItIsCommitted) {
  EXPECT_FALSE(run_->step_in_progress());
  run_->BeginStep(0);
  EXPECT_TRUE(run_->step_in_progress());
  ASSERT_TRUE(Commit(0).ok());
  EXPECT_FALSE(run_->step_in_progress());
  EXPECT_EQ(run_->begun_step(), 0u) << "it stays";
}

TEST_F(SftRunTest, ItNeedsAllRanksToItsEnd) {
  ASSERT_TRUE(Publish(0).ok());
  EXPECT_TRUE(run_->NeedsRank(0));
  EXPECT_TRUE(run_->NeedsRank(1));
}

class GrpoRunTest : public StageTest {
 protected:
  explicit GrpoRunTest(uint64_t lag = 0) : StageTest(GrpoStage(lag)) {}
};

TEST_F(GrpoRunTest, GroupsAreLeasedOnceTheFirstWeightsAreVisible) {
  EXPECT_FALSE(run_->started());
  EXPECT_EQ(Lease(), std::nullopt);
  ASSERT_TRUE(Publish(0).ok());
  EXPECT_TRUE(run_->started());
  EXPECT_EQ(Lease(), 0u);
  EXPECT_EQ(Lease(), 1u);
  EXPECT_EQ(Lease(), std::nullopt) << "step 1 waits for version 1";
}

TEST_F(GrpoRunTest, LeaseIdsContinueAfterAnEarlierStage) {
  ASSERT_TRUE(Publish(0).ok());
  EXPECT_EQ(run_->Lease(1, 1000)->lease_id, 7u);
}

TEST_F(GrpoRunTest, ACommitMakesItsVersionVisibleAndOpensTheNextStep) {
  ASSERT_TRUE(Publish(0).ok());
  ASSERT_TRUE(Publish(1).ok());
  EXPECT_FALSE(weights_->IsVisible({0, 1}));
  ASSERT_TRUE(Commit(0).ok());
  EXPECT_TRUE(weights_->IsVisible({0, 1}));
  EXPECT_FALSE(weights_->IsVisible({0, 0})) << "no open step needs it";
  EXPECT_EQ(run_->Lease(1, 1000)->step, 1u);
}

TEST_F(GrpoRunTest, ACommitOfWeightsThatWereNotPublishedIsRefused) {
  ASSERT_TRUE(Publish(0).ok());
  EXPECT_TRUE(absl::IsFailedPrecondition(Commit(0)));
  ASSERT_TRUE(Publish(1).ok());
  const absl::Status other = Commit(0, "other");
  EXPECT_TRUE(absl::IsInvalidArgument(other));
  EXPECT_THAT(std::string(other.message()), HasSubstr("weights_checksum"));
}

TEST_F(GrpoRunTest, OnlyTheNextVersionMayBePublished) {
  EXPECT_TRUE(run_->AdmitVersion(0).ok());
  EXPECT_TRUE(run_->AdmitVersion(1).ok());
  EXPECT_THAT(std::string(run_->AdmitVersion(2).message()),
              HasSubstr("version must be 0 to 1 now, got 2"));
}

TEST_F(GrpoRunTest, AfterACrashOtherWeightsUnderACommittedVersionAreDataLoss) {
  ASSERT_TRUE(Publish(0).ok());
  ASSERT_TRUE(Publish(1).ok());
  ASSERT_TRUE(Commit(0).ok());
  const CheckpointRecord checkpoint{.next_step = 1, .chain = ChainAfter(0, 0)};
  Open();
  ASSERT_TRUE(history_->GoBack(checkpoint).ok());
  run_ = *BeginStage({.plan = &plan_,
                      .history = history_.get(),
                      .weights = weights_.get(),
                      .recorder = recorder_.get(),
                      .clock = [this] { return now_; }});
  EXPECT_EQ(run_->first_step(), 1u);
  EXPECT_TRUE(absl::IsDataLoss(Publish(1, "other")));
  EXPECT_FALSE(run_->started());
}

class LaggingGrpoRunTest : public GrpoRunTest {
 protected:
  LaggingGrpoRunTest() : GrpoRunTest(/*lag=*/1) {}
};

TEST_F(LaggingGrpoRunTest, TheNextStepIsSampledWithTheSameWeights) {
  ASSERT_TRUE(Publish(0).ok());
  for (uint32_t i = 0; i < 2; ++i) EXPECT_EQ(Lease(), i);
  EXPECT_EQ(run_->Lease(1, 1000)->step, 1u);
  ASSERT_TRUE(Publish(1).ok());
  ASSERT_TRUE(Commit(0).ok());
  EXPECT_TRUE(weights_->IsVisible({0, 0})) << "step 1 is sampled with it";
}

class EvalRunTest : public StageTest {
 protected:
  EvalRunTest() : StageTest(EvalStage()) {}
};

TEST_F(EvalRunTest, OnlyTheWeightsThatItBeginsWithMayBePublished) {
  EXPECT_TRUE(run_->NeedsRank(0));
  EXPECT_FALSE(run_->NeedsRank(1));
  EXPECT_FALSE(run_->AdmitVersion(1).ok());
  ASSERT_TRUE(Publish(0).ok());
  EXPECT_FALSE(run_->NeedsRank(0)) << "it continues without learners";
}

TEST_F(EvalRunTest, ItHasNoStepsToCommit) {
  EXPECT_FALSE(run_->AllStepsCommitted());
  EXPECT_TRUE(absl::IsFailedPrecondition(run_->CheckCommit(CommitOf(0))));
}

TEST_F(EvalRunTest, TheResultIsTheSameForAnyOrderOfArrival) {
  std::vector<std::map<std::string, double>> results;
  for (const std::vector<uint32_t>& order :
       {std::vector<uint32_t>{0, 1}, std::vector<uint32_t>{1, 0}}) {
    Open();
    for (const uint32_t slot : order) {
      EXPECT_FALSE(run_->IsComplete());
      EXPECT_TRUE(*run_->Deliver(Group(slot, /*value=*/slot)));
    }
    EXPECT_TRUE(run_->IsComplete());
    results.push_back(run_->Figures());
  }
  EXPECT_EQ(results[0], results[1]);
  EXPECT_EQ(results[0]["pass_at_1"], 0.5);
  EXPECT_EQ(results[0]["prompts"], 2);
  EXPECT_EQ(results[0]["mean_completion_length"], 1);
}

TEST_F(EvalRunTest, AGroupCountsOnceAndMustHaveTheSameBitsAgain) {
  ASSERT_TRUE(Publish(0).ok());
  EXPECT_EQ(Lease(), 0u);
  EXPECT_TRUE(*run_->Deliver(Group(0)));
  EXPECT_FALSE(*run_->Deliver(Group(0)));
  EXPECT_EQ(run_->UnitsDone(), 1u);
  v1::ScoredGroup other = Group(0);
  other.mutable_trajectories(1)->mutable_trajectory()->set_token_ids(0, 8);
  EXPECT_TRUE(absl::IsDataLoss(run_->Deliver(other).status()));
}

TEST_F(EvalRunTest, MalformedGroupsNameTheField) {
  const auto error = [&](const v1::ScoredGroup& group) {
    const absl::Status status = run_->Deliver(group).status();
    EXPECT_TRUE(absl::IsInvalidArgument(status)) << status;
    return std::string(status.message());
  };
  EXPECT_THAT(error(Group(2)), HasSubstr("slot 2 is not a group of stage 0"));
  v1::ScoredGroup group = Group(0);
  group.mutable_trajectories()->RemoveLast();
  EXPECT_THAT(error(group), HasSubstr("must have 2, got 1"));
  group = Group(0);
  group.mutable_trajectories()->SwapElements(0, 1);
  EXPECT_THAT(error(group), HasSubstr("trajectories.sample must be 0, is 1"));
  group = Group(0);
  group.mutable_trajectories(1)->clear_parts();
  EXPECT_THAT(error(group),
              HasSubstr("number of trajectories.parts must be 1, is 0"));
  group = Group(0);
  group.mutable_trajectories(0)->mutable_trajectory()->set_logprobs("abc");
  EXPECT_THAT(error(group),
              HasSubstr("trajectories.logprobs must be 4 bytes long, is 3"));
  group = Group(0);
  group.mutable_trajectories(1)->set_reward(NAN);
  EXPECT_THAT(error(group), HasSubstr("trajectories.reward must be finite"));
  EXPECT_EQ(run_->UnitsDone(), 0u);
}

TEST_F(EvalRunTest, ItsResultIsRecordedForTheProcessThatFollows) {
  ASSERT_TRUE(run_->Deliver(Group(0)).ok());
  ASSERT_TRUE(run_->Deliver(Group(1)).ok());
  ASSERT_TRUE(run_->RecordEnd().ok());
  const auto history = History::Load(&plan_, store_.get());
  ASSERT_TRUE(history.ok());
  EXPECT_EQ(history->evals().at(0).pass_at_1, 1);
  EXPECT_EQ(history->position().stage, 1u) << "it is not run again";
}

}  // namespace
}  // namespace aha::coordinator
