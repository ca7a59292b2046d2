#include "coordinator/controller.h"

#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "nlohmann/json.hpp"
#include "tests/coordinator/controller_fixture.h"

namespace aha::coordinator {
namespace {

using ::testing::AllOf;
using ::testing::HasSubstr;

TEST_F(ControllerTest, RunsATinyJobToItsEnd) {
  EXPECT_EQ(State(), v1::JOB_STATE_PENDING);
  EnterGrpo();
  EXPECT_EQ(State(), v1::JOB_STATE_RUNNING);
  for (uint64_t step = 0; step < 3; ++step) {
    const v1::LeaseGroupsResponse leased = Lease();
    ASSERT_EQ(leased.leases_size(), 2);
    const v1::GroupContext& group = leased.leases(0).group();
    EXPECT_EQ(group.key().step(), step);
    EXPECT_EQ(group.policy().version(), step);
    EXPECT_EQ(group.consumer(), "learner:0");
    EXPECT_EQ(group.num_generations(), 2u);
    EXPECT_EQ(leased.leases(0).reward_address(), "reward:0");
    EXPECT_EQ(Lease().leases_size(), 0);
    ASSERT_TRUE(Step(0, step).ok());
    EXPECT_TRUE(weights_->IsVisible({0, step + 1}));
  }
  ASSERT_TRUE(Checkpoint(0, 3).ok());
  EXPECT_EQ(NextStage(), "1/0@" + CheckpointName(0, 3));
  EXPECT_EQ(Lease().leases_size(), 0) << "no weights for the eval stage yet";
  ASSERT_TRUE(Publish({1, 0}).ok());
  EXPECT_EQ(NextStage(), "wait");
  const v1::LeaseGroupsResponse eval = Lease(1);
  EXPECT_EQ(eval.leases(0).group().consumer(), "coordinator:1");
  EXPECT_EQ(eval.leases(0).group().policy().stage(), 1u);
  const v1::LeaseGroupsResponse rest = Lease();
  ASSERT_TRUE(controller_->Deliver(Scored(eval.leases(0).group(), 1)).ok());
  ASSERT_TRUE(controller_->Deliver(Scored(eval.leases(0).group(), 1)).ok());
  EXPECT_FALSE(controller_->Ended());
  ASSERT_TRUE(controller_->Deliver(Scored(rest.leases(0).group(), 0)).ok());
  EXPECT_EQ(State(), v1::JOB_STATE_SUCCEEDED);
  EXPECT_EQ(NextStage(), "stop");
  EXPECT_EQ(Lease().directive(), v1::DIRECTIVE_STOP);
}

TEST_F(ControllerTest, ALeaseCarriesThePromptsFieldsSortedByName) {
  EnterGrpo();
  const v1::LeaseGroupsResponse leased = Lease(1);
  const v1::GroupContext& group = leased.leases(0).group();
  EXPECT_EQ(group.prompt(), "p0.0.0");
  EXPECT_EQ(group.reference(), "r0.0.0");
  ASSERT_EQ(group.fields_size(), 2);
  EXPECT_EQ(group.fields(0).name(), "level");
  EXPECT_EQ(group.fields(0).value(), "3");
  EXPECT_EQ(group.fields(1).name(), "tests");
  EXPECT_EQ(group.fields(1).value(), "[1]");
}

TEST_F(ControllerTest, TheEndIsWrittenDown) {
  RunToTheEnd();
  const auto summary = nlohmann::json::parse(File("summary.json"));
  EXPECT_EQ(summary["job"], "tiny");
  EXPECT_EQ(summary["state"], "succeeded");
  EXPECT_EQ(summary["steps"], 3);
  EXPECT_EQ(summary["checksum"], ChainAfter(0, 2).Hex());
  EXPECT_EQ(summary["weights_checksum"], HashOf(WeightsOf({0, 3})).Hex());
  EXPECT_EQ(summary["eval"]["after"]["pass_at_1"], 1.0);
  EXPECT_EQ(summary["exact"]["tokens_compared"], 30);
  EXPECT_EQ(summary["stages"].size(), 2u);
  std::istringstream lines(File("metrics.jsonl"));
  std::string line;
  for (uint64_t step = 0; step < 3; ++step) {
    ASSERT_TRUE(std::getline(lines, line));
    const auto json = nlohmann::json::parse(line);
    EXPECT_EQ(json["step"], step);
    EXPECT_EQ(json["stage"], "grpo");
    EXPECT_EQ(json["reward"], 0.5);
  }
  EXPECT_FALSE(std::getline(lines, line));
}

TEST_F(ControllerTest, AnEndedJobKeepsNoWeights) {
  const auto held = [&] {
    const std::filesystem::directory_iterator files(dir_.path() + "/weights");
    return std::distance(begin(files), end(files));
  };
  EnterGrpo();
  ASSERT_TRUE(Publish({0, 1}).ok());
  EXPECT_EQ(held(), 2);
  // On its way when the job ends.
  const std::string bytes = WeightsOf({0, 2});
  auto late = weights_->Begin(
      WeightsId{0, 2}, {.bytes = bytes.size(), .checksum = HashOf(bytes)});
  ASSERT_TRUE(
      (*late)->Append(0, bytes, Hash64(bytes.data(), bytes.size())).ok());
  v1::ReportProblemRequest request;
  request.set_member_id(learners_[0]);
  request.set_epoch(epoch_);
  request.set_fatal(true);
  ASSERT_TRUE(controller_->ReportProblem(request).ok());
  EXPECT_EQ(held(), 1);
  ASSERT_TRUE(weights_->Finish(*std::move(late)).ok());
  ASSERT_TRUE(controller_->VersionArrived({0, 2}).ok());
  EXPECT_EQ(held(), 0);
}

TEST_F(ControllerTest, ACommitSaidTwiceCountsOnce) {
  EnterGrpo();
  ASSERT_TRUE(Step(0, 0).ok());
  EXPECT_TRUE(controller_->CommitStep(CommitRequest(0, 0)).ok());
  EXPECT_EQ(controller_->Status().stages(0).steps_done(), 1u);
}

TEST_F(ControllerTest, AStepThatWasCommittedWithOtherBitsFailsTheJob) {
  EnterGrpo();
  ASSERT_TRUE(Step(0, 0).ok());
  const absl::Status status =
      controller_->CommitStep(CommitRequest(0, 0, "other"));
  EXPECT_TRUE(absl::IsDataLoss(status)) << status;
  EXPECT_EQ(State(), v1::JOB_STATE_FAILED);
  EXPECT_THAT(Problem(), HasSubstr("step 0 was committed before"));
}

TEST_F(ControllerTest, ACommitMustNameWhatWasPublished) {
  EnterGrpo();
  ASSERT_TRUE(BeginStep(0, 0).ok());
  EXPECT_TRUE(
      absl::IsFailedPrecondition(controller_->CommitStep(CommitRequest(0, 0))));
  ASSERT_TRUE(Publish({0, 1}).ok());
  EXPECT_TRUE(absl::IsInvalidArgument(
      controller_->CommitStep(CommitRequest(0, 0, "other"))));
  EXPECT_FALSE(weights_->IsVisible({0, 1}));
  EXPECT_TRUE(controller_->CommitStep(CommitRequest(0, 0)).ok());
}

TEST_F(ControllerTest, MalformedCommitsNameTheField) {
  EnterGrpo();
  const auto error = [&](const v1::CommitStepRequest& request) {
    return std::string(controller_->CommitStep(request).message());
  };
  v1::CommitStepRequest request = CommitRequest(0, 0);
  request.set_chain("short");
  EXPECT_THAT(error(request), HasSubstr("chain"));
  request = CommitRequest(0, 0);
  request.set_slots(1, 0);
  EXPECT_THAT(error(request), HasSubstr("slots"));
  request = CommitRequest(0, 0);
  request.set_stage(1);
  EXPECT_THAT(error(request), HasSubstr("stage"));
  request = CommitRequest(0, 0);
  request.set_stage_done(true);
  EXPECT_THAT(error(request), HasSubstr("stage_done"));
  request = CommitRequest(0, 0);
  request.set_epoch(99);
  EXPECT_THAT(error(request), HasSubstr("epoch"));
  request = CommitRequest(0, 0);
  request.set_member_id(actor_);
  EXPECT_THAT(error(request), HasSubstr("is not a learner"));
  EXPECT_EQ(State(), v1::JOB_STATE_RUNNING);
}

TEST_F(ControllerTest, DifferingLogProbabilitiesFailTheJob) {
  EnterGrpo();
  ASSERT_TRUE(BeginStep(0, 0).ok());
  ASSERT_TRUE(Publish({0, 1}).ok());
  v1::CommitStepRequest request = CommitRequest(0, 0);
  request.set_tokens_differing(2);
  EXPECT_FALSE(controller_->CommitStep(request).ok());
  EXPECT_EQ(State(), v1::JOB_STATE_FAILED);
  EXPECT_THAT(Problem(), HasSubstr("2 of 10 log-probabilities"));
}

TEST_F(ControllerTest, PauseHoldsLeasesAndStepsAndResumeLetsThemGo) {
  EnterGrpo();
  ASSERT_TRUE(controller_->Pause().ok());
  ASSERT_TRUE(controller_->Pause().ok());
  EXPECT_EQ(Lease().leases_size(), 0);
  EXPECT_EQ(*BeginStep(0, 0), "WAIT");
  ASSERT_TRUE(controller_->Resume().ok());
  EXPECT_EQ(Lease().leases_size(), 2);
  EXPECT_EQ(*BeginStep(0, 0), "GO");
  // What one rank was allowed, the others are too.
  ASSERT_TRUE(controller_->Pause().ok());
  EXPECT_EQ(*BeginStep(0, 0), "GO");
}

TEST_F(ControllerTest, AMemberThatMakesProgressLetsTheLearnerWaitLonger) {
  EnterGrpo();
  const auto progress = [&] {
    v1::BeginStepRequest request;
    request.set_member_id(learners_[0]);
    request.set_epoch(epoch_);
    v1::BeginStepResponse response;
    EXPECT_TRUE(controller_->TryBeginStep(request, &response).ok());
    return response.progress();
  };
  const auto beat = [&](uint64_t tokens) {
    v1::HeartbeatRequest request;
    request.set_member_id(actor_);
    request.set_epoch(epoch_);
    request.set_progress(tokens);
    EXPECT_TRUE(controller_->Heartbeat(request).ok());
  };
  const uint64_t before = progress();
  beat(10);
  const uint64_t sampled = progress();
  EXPECT_GT(sampled, before);
  beat(10);
  EXPECT_EQ(progress(), sampled) << "it is alive, but does no work";
  const v1::LeaseGroupsResponse leased = Lease(1);
  v1::CompleteLeaseRequest complete;
  complete.set_member_id(actor_);
  complete.set_epoch(epoch_);
  complete.set_lease_id(leased.leases(0).lease_id());
  *complete.mutable_key() = leased.leases(0).group().key();
  ASSERT_TRUE(controller_->CompleteLease(complete).ok());
  EXPECT_GT(progress(), sampled);
}

TEST_F(ControllerTest, AGroupThatNeverArrivesFailsTheJobNamingIt) {
  EnterGrpo();
  for (int life = 0; life <= 20 && !controller_->Ended(); ++life) {
    Lease(1);
    now_ += absl::Seconds(3);
    actor_ = Join(v1::ROLE_ACTOR, 0, absl::StrCat("life ", life));
  }
  EXPECT_EQ(State(), v1::JOB_STATE_FAILED);
  EXPECT_THAT(Problem(), HasSubstr("stage 0 step 0 slot 0 was given to actors "
                                   "20 times and never arrived"));
}

TEST_F(ControllerTest, StopEndsTheStepWritesACheckpointAndEnds) {
  EnterGrpo();
  ASSERT_EQ(*BeginStep(0, 0), "GO");
  ASSERT_TRUE(controller_->Stop().ok());
  EXPECT_EQ(State(), v1::JOB_STATE_STOPPING);
  ASSERT_TRUE(Step(0, 0).ok()) << "the running step ends";
  EXPECT_EQ(*BeginStep(0, 1), "STOP_AFTER_CHECKPOINT");
  ASSERT_TRUE(Checkpoint(0, 1).ok());
  EXPECT_EQ(State(), v1::JOB_STATE_STOPPED);
  EXPECT_EQ(NextStage(), "stop");
  EXPECT_TRUE(absl::IsFailedPrecondition(controller_->Resume()));
}

TEST_F(ControllerTest, APauseAndAStopLetTheStepThatHasBegunHaveItsGroups) {
  EnterGrpo();
  ASSERT_EQ(*BeginStep(0, 0), "GO");
  ASSERT_TRUE(controller_->Pause().ok());
  EXPECT_EQ(Lease(1).leases_size(), 1) << "the learner waits for it";
  ASSERT_TRUE(controller_->Stop().ok());
  EXPECT_EQ(Lease(1).leases_size(), 1);
  ASSERT_TRUE(Step(0, 0).ok());
  EXPECT_EQ(Lease(1).leases_size(), 0) << "step 1 has not begun";
}

TEST_F(ControllerTest, StopWithNothingToSaveEndsAtOnce) {
  ASSERT_TRUE(controller_->Stop().ok());
  EXPECT_EQ(State(), v1::JOB_STATE_STOPPED);
}

TEST_F(ControllerTest, StopEndsWithALearnerThatHasNothingNewToSave) {
  EnterGrpo();
  ASSERT_TRUE(controller_->Stop().ok());
  EXPECT_EQ(*BeginStep(0, 0), "STOP_AFTER_CHECKPOINT");
  EXPECT_EQ(NextStage(), "stop");
  EXPECT_EQ(State(), v1::JOB_STATE_STOPPED);
}

TEST_F(ControllerTest, AnActorThatIsDrainedGetsNoMore) {
  EnterGrpo();
  ASSERT_TRUE(controller_->Drain("actor-0").ok());
  const v1::LeaseGroupsResponse response = Lease();
  EXPECT_EQ(response.directive(), v1::DIRECTIVE_DRAIN);
  EXPECT_EQ(response.leases_size(), 0);
  EXPECT_TRUE(absl::IsNotFound(controller_->Drain("actor-9")));
}

TEST_F(ControllerTest, EvalGroupsOfAnotherEpochOrStageAreRefused) {
  EnterGrpo();
  v1::GroupContext context;
  context.set_epoch(epoch_);
  context.set_num_generations(1);
  context.mutable_key()->set_stage(1);
  EXPECT_TRUE(
      absl::IsFailedPrecondition(controller_->Deliver(Scored(context, 1))));
  context.set_epoch(epoch_ + 1);
  EXPECT_TRUE(
      absl::IsFailedPrecondition(controller_->Deliver(Scored(context, 1))));
}

TEST_F(ControllerTest, WaitingTooLongFailsTheJobAndNamesWhatIsMissing) {
  learners_[0] = Join(v1::ROLE_LEARNER, 0);
  reward_ = Join(v1::ROLE_REWARD, 0);
  ASSERT_EQ(NextStage(), "0/0@");
  ASSERT_TRUE(Publish({0, 0}).ok());
  for (int i = 0; i <= 102 && !controller_->Ended(); ++i) {
    Heartbeats();
    Pass(absl::Seconds(1));
  }
  EXPECT_EQ(State(), v1::JOB_STATE_FAILED);
  EXPECT_THAT(Problem(), AllOf(HasSubstr("an actor"), HasSubstr("1m40s")));
}

TEST_F(ControllerTest, TheStatusSaysWhatTheJobWaitsFor) {
  EXPECT_THAT(controller_->Status().waits(),
              ::testing::Contains(HasSubstr("learner rank 0")));
}

TEST_F(ControllerTest, AFatalProblemEndsTheJobWithIt) {
  EnterGrpo();
  v1::ReportProblemRequest request;
  request.set_member_id(learners_[0]);
  request.set_epoch(epoch_);
  request.set_message("out of luck");
  ASSERT_TRUE(controller_->ReportProblem(request).ok());
  EXPECT_EQ(State(), v1::JOB_STATE_RUNNING);
  request.set_fatal(true);
  ASSERT_TRUE(controller_->ReportProblem(request).ok());
  EXPECT_EQ(State(), v1::JOB_STATE_FAILED);
  EXPECT_EQ(Problem(), "learner-0: out of luck");
}

TEST_F(ControllerTest, VersionsOutsideTheWindowAreNotAdmitted) {
  EnterGrpo();
  EXPECT_TRUE(controller_->AdmitVersion({0, 1}, learners_[0], epoch_).ok());
  EXPECT_FALSE(controller_->AdmitVersion({0, 2}, learners_[0], epoch_).ok());
  EXPECT_FALSE(controller_->AdmitVersion({1, 0}, learners_[0], epoch_).ok());
  EXPECT_FALSE(
      controller_->AdmitVersion({0, 1}, learners_[0], epoch_ + 1).ok());
}

}  // namespace
}  // namespace aha::coordinator
