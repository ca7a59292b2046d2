// Members that die, checkpoints, resumes, and rank sets that break.
#include <algorithm>

#include "absl/strings/str_cat.h"
#include "coordinator/controller.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "tests/coordinator/controller_fixture.h"

namespace aha::coordinator {
namespace {

using ::testing::AllOf;
using ::testing::HasSubstr;

TEST_F(ControllerTest, ASilentActorsGroupsGoToAnother) {
  EnterGrpo();
  ASSERT_EQ(Lease().leases_size(), 2);
  const uint64_t silent = actor_;
  actor_ = Join(v1::ROLE_ACTOR, 1);
  for (int i = 0; i < 31; ++i) {
    now_ += absl::Seconds(1);
    const uint64_t living = actor_;
    Heartbeats();
    actor_ = living;
    controller_->Tick();
  }
  EXPECT_EQ(Lease().leases_size(), 2);
  v1::HeartbeatRequest request;
  request.set_member_id(silent);
  request.set_epoch(epoch_);
  EXPECT_TRUE(absl::IsNotFound(controller_->Heartbeat(request).status()));
}

TEST_F(ControllerTest, ARestartedActorsGroupsReturnWhenItRegisters) {
  EnterGrpo();
  ASSERT_EQ(Lease().leases_size(), 2);
  now_ += absl::Seconds(3);
  actor_ = Join(v1::ROLE_ACTOR, 0, "second life");
  EXPECT_EQ(Lease().leases_size(), 2);
}

TEST_F(ControllerTest, ALearnerThatIsLostSendsTheJobBackToTheCheckpoint) {
  EnterGrpo();
  ASSERT_TRUE(Step(0, 0).ok());
  ASSERT_TRUE(Checkpoint(0, 1).ok());
  ASSERT_TRUE(Step(0, 1).ok());
  const uint64_t group = next_.group_epoch();
  now_ += absl::Seconds(3);
  learners_[0] = Join(v1::ROLE_LEARNER, 0, "second life");
  EXPECT_EQ(NextStage(), "0/1@" + CheckpointName(0, 1));
  EXPECT_GT(next_.group_epoch(), group);
  EXPECT_EQ(next_.chain(), ChainAfter(0, 0).ToBytes());
  ASSERT_TRUE(Publish({0, 1}).ok());
  EXPECT_EQ(Lease().leases(0).group().key().step(), 1u);
  EXPECT_TRUE(Step(0, 1).ok()) << "the same bits again";
}

TEST_F(ControllerTest, ARankZeroThatWasReplacedPublishesNoMore) {
  EnterGrpo();
  const uint64_t zombie = learners_[0];
  Pass(absl::Seconds(4));
  learners_[0] = Join(v1::ROLE_LEARNER, 0, "another process");
  ASSERT_EQ(NextStage(), "0/0@");
  EXPECT_TRUE(
      absl::IsNotFound(controller_->AdmitVersion({0, 0}, zombie, epoch_)));
  EXPECT_TRUE(Publish({0, 0}).ok());
}

TEST_F(ControllerTest, RecomputedStepsMustGiveTheSameBits) {
  EnterGrpo();
  ASSERT_TRUE(Step(0, 0).ok());
  Start();  // Everything was killed before a checkpoint.
  EnterGrpo();
  EXPECT_TRUE(absl::IsDataLoss(Step(0, 0, "other")));
  EXPECT_EQ(State(), v1::JOB_STATE_FAILED);
}

TEST_F(ControllerTest, AResumedJobContinuesFromItsNewestCheckpoint) {
  EnterGrpo();
  ASSERT_TRUE(Step(0, 0).ok());
  ASSERT_TRUE(Checkpoint(0, 1).ok());
  ASSERT_TRUE(Step(0, 1).ok());
  Start();
  EXPECT_EQ(controller_->epoch(), 2u);
  EXPECT_EQ(controller_->Status().checksum(), ChainAfter(0, 0).Hex());
  // The line of the step that comes again is gone until then.
  EXPECT_EQ(File("metrics.jsonl").find("\"step\":1"), std::string::npos);
  JoinAll();
  EXPECT_EQ(NextStage(), "0/1@" + CheckpointName(0, 1));
  EXPECT_TRUE(absl::IsDataLoss(Publish({0, 1}, "other")));
}

TEST_F(ControllerTest, AResumedJobRefusesAMachineThatComputesOtherBits) {
  v1::RegisterRequest other;
  other.set_role(v1::ROLE_LEARNER);
  other.set_name("learner-0");
  other.set_incarnation("elsewhere");
  other.set_address("learner:0");
  other.mutable_certificate()->set_digest("other");
  other.mutable_certificate()->set_numeric_class("class B");
  Start();
  EXPECT_TRUE(controller_->Register(other).ok()) << "nothing was computed yet";
  Start();
  EnterGrpo();
  Lease();
  ASSERT_TRUE(Step(0, 0).ok());
  Start();
  const absl::Status status = controller_->Register(other).status();
  EXPECT_TRUE(absl::IsFailedPrecondition(status));
  EXPECT_THAT(std::string(status.message()),
              AllOf(HasSubstr("class B"), HasSubstr("class A"),
                    HasSubstr("resume on a machine of the same class, or start "
                              "a new run directory")));
  JoinAll();
  EXPECT_EQ(State(), v1::JOB_STATE_RUNNING);
}

TEST_F(ControllerTest, AJobThatWasStoppedStaysSoWhereEverythingIsStartedAgain) {
  lingers_ = true;
  Start();
  EnterGrpo();
  ASSERT_TRUE(Step(0, 0).ok());
  ASSERT_TRUE(Checkpoint(0, 1).ok());
  ASSERT_TRUE(controller_->Stop().ok());
  Start();  // Killed before it had stopped.
  EXPECT_EQ(State(), v1::JOB_STATE_STOPPED);
  EXPECT_THAT(File("summary.json"), HasSubstr("\"state\": \"stopped\""));
  EXPECT_EQ(controller_->Status().checksum(), ChainAfter(0, 0).Hex());
  JoinAll();
  EXPECT_EQ(NextStage(), "stop");
  EXPECT_EQ(Lease().directive(), v1::DIRECTIVE_STOP);
  Start();
  EXPECT_EQ(State(), v1::JOB_STATE_STOPPED);
  ASSERT_TRUE(controller_->Resume().ok());
  EXPECT_EQ(State(), v1::JOB_STATE_PENDING);
  EXPECT_EQ(File("summary.json"), "");
  JoinAll();
  EXPECT_EQ(NextStage(), "0/1@" + CheckpointName(0, 1));
  Start();  // Now it is a job that runs.
  EXPECT_EQ(State(), v1::JOB_STATE_PENDING);
}

TEST_F(ControllerTest, AStoppedJobIsResumedFromItsCheckpointInTheSameProcess) {
  lingers_ = true;
  Start();
  EnterGrpo();
  ASSERT_TRUE(Step(0, 0).ok());
  ASSERT_TRUE(controller_->Stop().ok());
  EXPECT_EQ(NextStage(), "stop") << "it could not save";
  EXPECT_EQ(State(), v1::JOB_STATE_STOPPED);
  ASSERT_TRUE(controller_->Resume().ok());
  controller_->Recover();
  EXPECT_EQ(Problem(), "");
  JoinAll();
  EXPECT_EQ(NextStage(), "0/0@");
  ASSERT_TRUE(Publish({0, 0}).ok());
  EXPECT_TRUE(Step(0, 0).ok());
}

TEST_F(ControllerTest, OnlyAStopByTheOwnerOfAJobThatLingersLasts) {
  ASSERT_TRUE(controller_->Stop().ok());
  EXPECT_FALSE(controller_->Resume().ok()) << "its process ends";
  Start();  // By hand.
  EXPECT_EQ(State(), v1::JOB_STATE_PENDING);
  lingers_ = true;
  Start();
  ASSERT_TRUE(controller_->Stop("the coordinator got SIGTERM").ok());
  EXPECT_EQ(State(), v1::JOB_STATE_STOPPED);
  Start();  // Its pod was moved.
  EXPECT_EQ(State(), v1::JOB_STATE_PENDING);
}

TEST_F(ControllerTest, APauseBeforeAMemberJoinedDoesNotForgetTheMachinesClass) {
  ASSERT_TRUE(controller_->Pause().ok());
  JoinAll();
  ASSERT_TRUE(controller_->Resume().ok());
  ASSERT_EQ(NextStage(), "0/0@");
  ASSERT_TRUE(Publish({0, 0}).ok());
  ASSERT_TRUE(Step(0, 0).ok());
  ASSERT_TRUE(Checkpoint(0, 1).ok());
  Start();
  v1::RegisterRequest other;
  other.set_role(v1::ROLE_ACTOR);
  other.set_name("actor-1");
  other.set_incarnation("i");
  other.mutable_certificate()->set_digest("other");
  other.mutable_certificate()->set_numeric_class("class B");
  EXPECT_THAT(
      std::string(controller_->Register(other).status().message()),
      HasSubstr("class B) would not compute the same bits as this run's"));
}

TEST_F(ControllerTest, AResumedJobRefusesFilesThatWereEditedSince) {
  v1::RegisterRequest learner;
  learner.set_role(v1::ROLE_LEARNER);
  learner.set_name("learner-0");
  learner.set_incarnation("i");
  learner.set_address("learner:0");
  learner.mutable_certificate()->set_digest("same");
  auto& inputs = *learner.mutable_certificate()->mutable_inputs();
  inputs["model.path/model.safetensors"] = "8 bytes, checksum a";
  inputs["model.path/config.json"] = "2 bytes, checksum b";
  ASSERT_TRUE(controller_->Register(learner).ok());
  EnterGrpo();
  ASSERT_TRUE(Step(0, 0).ok());
  Start();
  inputs["model.path/model.safetensors"] = "8 bytes, checksum c";
  const absl::Status edited = controller_->Register(learner).status();
  EXPECT_TRUE(absl::IsFailedPrecondition(edited));
  EXPECT_THAT(std::string(edited.message()),
              AllOf(HasSubstr("model.path/model.safetensors: learner-0"),
                    HasSubstr("this run began with"), HasSubstr("checksum a")));
  inputs["model.path/model.safetensors"] = "8 bytes, checksum a";
  EXPECT_TRUE(controller_->Register(learner).ok());
}

TEST_F(ControllerTest, AResumedJobRefusesARewardProgramThatWasEditedSince) {
  v1::RegisterRequest reward;
  reward.set_role(v1::ROLE_REWARD);
  reward.set_name("reward-9");
  reward.set_incarnation("i");
  reward.set_address("reward:9");
  auto& inputs = *reward.mutable_certificate()->mutable_inputs();
  inputs["rewards[0].command"] = "8 bytes, checksum a";
  EnterGrpo();
  // It comes when the run has begun.
  ASSERT_TRUE(controller_->Register(reward).ok());
  ASSERT_TRUE(Step(0, 0).ok());
  Start();
  inputs["rewards[0].command"] = "8 bytes, checksum c";
  const absl::Status edited = controller_->Register(reward).status();
  EXPECT_TRUE(absl::IsFailedPrecondition(edited)) << edited;
  EXPECT_THAT(std::string(edited.message()),
              AllOf(HasSubstr("rewards[0].command: reward-9"),
                    HasSubstr("this run began with")));
  inputs["rewards[0].command"] = "8 bytes, checksum a";
  EXPECT_TRUE(controller_->Register(reward).ok());
}

TEST_F(ControllerTest, AJobThatIsNotReproducibleStaysSo) {
  EnterGrpo();
  v1::ReportProblemRequest request;
  request.set_member_id(learners_[0]);
  request.set_epoch(epoch_);
  request.set_message("reward x said 1, then 2");
  request.set_not_reproducible(true);
  ASSERT_TRUE(controller_->ReportProblem(request).ok());
  EXPECT_EQ(State(), v1::JOB_STATE_RUNNING);
  const std::string why = "learner-0: reward x said 1, then 2";
  EXPECT_EQ(controller_->Status().not_reproducible(), why);
  request.set_message("another reason");
  ASSERT_TRUE(controller_->ReportProblem(request).ok());
  Start();
  EXPECT_EQ(controller_->Status().not_reproducible(), why);
}

TEST_F(ControllerTest, AFlippedByteRefusesACheckpointAndTheOneBeforeIsUsed) {
  EnterGrpo();
  for (uint64_t step = 0; step < 2; ++step) {
    ASSERT_TRUE(Step(0, step).ok());
    ASSERT_TRUE(Checkpoint(0, step + 1).ok());
  }
  std::ofstream(CheckpointPath(0, 2) + "/model/model.safetensors")
      << WeightsOf({9, 9});
  Start();
  JoinAll();
  EXPECT_EQ(NextStage(), "0/1@" + CheckpointName(0, 1));
  EXPECT_THAT(File("events.jsonl"), HasSubstr("checkpoint_refused"));
}

TEST_F(ControllerTest, ATruncatedManifestIsNoCheckpoint) {
  EnterGrpo();
  ASSERT_TRUE(Step(0, 0).ok());
  ASSERT_TRUE(Checkpoint(0, 1).ok());
  const std::string manifest = CheckpointPath(0, 1) + "/manifest.json";
  std::filesystem::resize_file(manifest,
                               std::filesystem::file_size(manifest) / 2);
  Start();
  JoinAll();
  EXPECT_EQ(NextStage(), "0/0@");
}

TEST_F(ControllerTest, AnEvalStageThatEndedIsNotRunAgain) {
  RunToTheEnd();
  Start();
  EXPECT_EQ(State(), v1::JOB_STATE_SUCCEEDED);
}

TEST_F(ControllerTest, AStageMayEndWithoutACheckpoint) {
  EnterGrpo();
  for (uint64_t step = 0; step < 3; ++step) ASSERT_TRUE(Step(0, step).ok());
  // The disk was full, but the learner holds the state.
  EXPECT_EQ(NextStage(), "1/0@");
  EXPECT_EQ(next_.chain(), ChainAfter(0, 2).ToBytes());
}

TEST_F(ControllerTest, WhileACheckpointIsLookedForOnlyTheStageWaits) {
  EnterGrpo();
  ASSERT_TRUE(Step(0, 0).ok());
  ASSERT_TRUE(Checkpoint(0, 1).ok());
  ASSERT_EQ(*BeginStep(0, 1), "GO");
  now_ += absl::Seconds(3);
  learners_[0] = Join(v1::ROLE_LEARNER, 0, "second life");
  EXPECT_EQ(AskStage(), "wait");
  Heartbeats();
  EXPECT_THAT(controller_->Status().waits(),
              ::testing::Contains(HasSubstr("checkpoint")));
  EXPECT_EQ(Lease().leases_size(), 0);
  EXPECT_TRUE(absl::IsFailedPrecondition(Publish({0, 1})));
  EXPECT_TRUE(absl::IsFailedPrecondition(BeginStep(0, 1).status()));
  EXPECT_TRUE(absl::IsFailedPrecondition(Checkpoint(0, 1)));
  controller_->Recover();
  EXPECT_EQ(AskStage(), "0/1@" + CheckpointName(0, 1));
}

TEST_F(ControllerTest,
       ARankSetThatBreaksAgainAndAgainFailsTheJobNamingTheStep) {
  EnterGrpo();
  ASSERT_TRUE(Step(0, 0).ok());
  ASSERT_TRUE(Checkpoint(0, 1).ok());
  ASSERT_TRUE(Step(0, 1).ok());
  for (int death = 1; death <= 5; ++death) {
    ASSERT_EQ(State(), v1::JOB_STATE_RUNNING) << death;
    now_ += absl::Seconds(3);
    learners_[0] =
        Join(v1::ROLE_LEARNER, 0, absl::StrCat("after death ", death));
    if (death == 5) break;
    ASSERT_EQ(NextStage(), "0/1@" + CheckpointName(0, 1));
    ASSERT_TRUE(Publish({0, 1}).ok());
    ASSERT_TRUE(Step(0, 1).ok()) << "what is done again is not progress";
  }
  EXPECT_EQ(State(), v1::JOB_STATE_FAILED);
  EXPECT_THAT(Problem(),
              AllOf(HasSubstr("5 times without a new step"),
                    HasSubstr("stage 0 (grpo) step 2"),
                    HasSubstr("learner rank 0 replaced by a new process")));
}

// A data set of three prompts, and nothing else.
class SampleJobTest : public ControllerTest {
 protected:
  SampleJobTest() {
    plan_.stages.erase(plan_.stages.begin());
    StagePlan& sample = plan_.stages[0];
    sample.name = "answers";
    sample.kind = "sample";
    sample.traits.prompts = PromptUse::kTrainingInOrder;
    sample.groups = 3;
  }
  // A coordinator that has just started has none.
  v1::LeaseGroupsResponse LeaseAfterStart() {
    JoinAll();
    EXPECT_EQ(NextStage(), "0/0@");
    EXPECT_TRUE(Publish({0, 0}).ok());
    return Lease();
  }
};

TEST_F(SampleJobTest, AfterACrashOnlyGroupsThatAreNotInTheFileAreSampled) {
  const v1::LeaseGroupsResponse all = LeaseAfterStart();
  ASSERT_EQ(all.leases_size(), 3);
  for (const int slot : {2, 0}) {
    const v1::GroupContext& context = all.leases(slot).group();
    EXPECT_EQ(context.consumer(), "coordinator:1");
    ASSERT_TRUE(controller_->Deliver(Scored(context, 1)).ok());
  }
  Pass(absl::Seconds(1));
  EXPECT_EQ(controller_->Status().stages(0).steps_done(), 2u);
  Start();  // The coordinator was killed: slot 2 was not in the file.
  const v1::LeaseGroupsResponse rest = LeaseAfterStart();
  ASSERT_EQ(rest.leases_size(), 2);
  EXPECT_EQ(rest.leases(0).group().key().slot(), 1u);
  for (const v1::Lease& lease : rest.leases()) {
    ASSERT_TRUE(controller_->Deliver(Scored(lease.group(), 1)).ok());
  }
  EXPECT_EQ(State(), v1::JOB_STATE_SUCCEEDED);
  const std::string file = File("datasets/answers.jsonl");
  EXPECT_LT(file.find("\"p0.0.0\""), file.find("\"p0.0.1\""));
  EXPECT_LT(file.find("\"p0.0.1\""), file.find("\"p0.0.2\""));
  EXPECT_EQ(std::count(file.begin(), file.end(), '\n'), 3);
  EXPECT_THAT(File("summary.json"), HasSubstr("\"prompts\": 3"));
}

TEST_F(SampleJobTest, AStopKeepsWhatIsInTheFile) {
  const v1::LeaseGroupsResponse all = LeaseAfterStart();
  ASSERT_TRUE(controller_->Deliver(Scored(all.leases(0).group(), 1)).ok());
  ASSERT_TRUE(controller_->Stop("the coordinator got SIGTERM").ok());
  EXPECT_EQ(State(), v1::JOB_STATE_STOPPED);
  Start();
  EXPECT_EQ(LeaseAfterStart().leases_size(), 2);
}

TEST_F(SampleJobTest, ALearnerThatIsLostMeanwhileIsNotWaitedFor) {
  const v1::LeaseGroupsResponse all = LeaseAfterStart();
  v1::LeaveRequest leave;
  leave.set_member_id(learners_[0]);
  leave.set_epoch(epoch_);
  ASSERT_TRUE(controller_->Leave(leave).ok());
  EXPECT_TRUE(controller_->Status().waits().empty());
  for (const v1::Lease& lease : all.leases()) {
    ASSERT_TRUE(controller_->Deliver(Scored(lease.group(), 1)).ok());
  }
  EXPECT_EQ(State(), v1::JOB_STATE_SUCCEEDED);
}

TEST_F(SampleJobTest, ADataSetThatIsWholeEndsTheJobAtItsNextStart) {
  const v1::LeaseGroupsResponse all = LeaseAfterStart();
  for (const v1::Lease& lease : all.leases()) {
    ASSERT_TRUE(controller_->Deliver(Scored(lease.group(), 1)).ok());
  }
  const std::string before = File("datasets/answers.jsonl");
  Start();
  EXPECT_EQ(State(), v1::JOB_STATE_SUCCEEDED);
  EXPECT_EQ(File("datasets/answers.jsonl"), before);
}

TEST_F(ControllerTest, ANewStepResetsTheCountOfBreaks) {
  EnterGrpo();
  for (int death = 1; death <= 8; ++death) {
    now_ += absl::Seconds(3);
    learners_[0] =
        Join(v1::ROLE_LEARNER, 0, absl::StrCat("after death ", death));
    ASSERT_EQ(NextStage(), "0/0@");
    ASSERT_TRUE(Publish({0, 0}).ok());
    if (death == 4) {
      ASSERT_TRUE(Step(0, 0).ok());
    }
  }
  EXPECT_EQ(State(), v1::JOB_STATE_RUNNING);
}

}  // namespace
}  // namespace aha::coordinator
