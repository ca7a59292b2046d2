// A job from state to state and from stage to stage, without members, a
// controller or a lock.
#include "coordinator/job_run.h"

#include <filesystem>
#include <memory>
#include <string>

#include "absl/strings/str_cat.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "tests/coordinator/fake_cluster.h"

namespace aha::coordinator {
namespace {

using ::testing::AllOf;
using ::testing::HasSubstr;
using ::testing::Not;
using Ask = JobRun::Ask;
using run::JobState;

class JobRunTest : public ::testing::Test {
 protected:
  JobRunTest() { Open(); }

  // Begins the job as the first process does, or as one after a crash.
  void Open(bool lingers = false) {
    job_.reset();
    weights_.reset();
    store_.reset();
    directory_.reset();
    directory_ = *run::RunWriter::Open(dir_.path());
    store_ = *StateStore::Open(directory_->File("coordinator.db"));
    weights_ = *WeightsStore::Open(directory_->File("weights"));
    const Clock clock = [this] { return now_; };
    auto job = JobRun::New({.epoch = ++epoch_, .lingers = lingers},
                           {.plan = &plan_,
                            .directory = directory_.get(),
                            .store = store_.get(),
                            .weights = weights_.get(),
                            .clock = clock,
                            .wall_clock = clock,
                            .series = {}});
    ASSERT_TRUE(job.ok()) << job.status();
    job_ = *std::move(job);
  }
  // The learner comes and gets its stage.
  void Begin() {
    job_->LearnersArrived();
    ASSERT_EQ(job_->AskStage(0, true), Ask::kAssigned);
  }
  absl::Status Publish(WeightsId id) {
    absl::Status status = job_->AdmitVersion(id);
    if (!status.ok()) return status;
    const std::string bytes = WeightsOf(id);
    auto incoming =
        weights_->Begin(id, {.bytes = bytes.size(), .checksum = HashOf(bytes)});
    status = (*incoming)->Append(0, bytes, Hash64(bytes.data(), bytes.size()));
    if (status.ok()) status = weights_->Finish(*std::move(incoming));
    return status.ok() ? job_->VersionArrived(id) : status;
  }
  static CommitRecord CommitOf(uint64_t step) {
    return {.stage = 0,
            .step = step,
            .weights = HashOf(WeightsOf({0, step + 1})),
            .chain = ChainAfter(0, step)};
  }
  // The learner does one step, from its beginning to its commit.
  void Step(uint64_t step) {
    ASSERT_TRUE(job_->CheckNextStep(0, 0, step).ok());
    job_->run()->BeginStep(step);
    ASSERT_TRUE(Publish({0, step + 1}).ok());
    const absl::Status committed = job_->CommitStep(CommitOf(step), {});
    ASSERT_TRUE(committed.ok()) << committed;
  }
  // Writes a checkpoint of the present position.
  CheckpointRecord Save(uint64_t next_step) {
    CheckpointRecord record{
        .stage = 0,
        .next_step = next_step,
        .directory = absl::StrCat("checkpoints/", next_step),
        .weights = HashOf(WeightsOf({0, next_step})),
        .chain = ChainAfter(0, next_step - 1),
        .stage_done = next_step == plan_.stages[0].steps};
    const std::string directory = dir_ / record.directory;
    std::filesystem::create_directories(directory);
    Manifest manifest;
    manifest.job = "tiny";
    manifest.stage_name = "grpo";
    manifest.next_step = next_step;
    manifest.stage_done = record.stage_done;
    manifest.dtype = "F32";
    manifest.weights_checksum = record.weights;
    manifest.chain = record.chain;
    dir_.Write(record.directory + "/part", "content");
    manifest.parts = {*MeasurePart(directory, "part")};
    EXPECT_TRUE(WriteManifest(directory, manifest).ok());
    return record;
  }
  void EndRollback() {
    const auto checkpoints = job_->CheckpointsToVerify();
    ASSERT_TRUE(checkpoints.has_value());
    job_->EndRollback(ChooseCheckpoint(dir_.path(), *checkpoints));
  }
  void PassAndCheck(absl::Duration time) {
    now_ += time;
    job_->CheckWaits(members_);
  }
  std::string File(const std::string& name) const {
    std::ifstream file(dir_ / name);
    return std::string(std::istreambuf_iterator<char>(file), {});
  }
  static std::string Refusal(const absl::Status& status) {
    EXPECT_TRUE(absl::IsFailedPrecondition(status)) << status;
    return std::string(status.message());
  }

  TempDir dir_;
  absl::Time now_ = absl::UnixEpoch();
  JobPlan plan_ = MakePlan(TinyJob());
  uint64_t epoch_ = 0;
  std::unique_ptr<run::RunWriter> directory_;
  std::unique_ptr<StateStore> store_;
  std::unique_ptr<WeightsStore> weights_;
  std::unique_ptr<JobRun> job_;
  Membership members_{{}, [this] { return now_; }};
};

TEST_F(JobRunTest, ItIsPendingUntilTheLearnersAreThere) {
  EXPECT_EQ(job_->state(), JobState::kPending);
  EXPECT_EQ(job_->AskStage(0, false), Ask::kWait);
  job_->LearnersArrived();
  EXPECT_EQ(job_->state(), JobState::kRunning);
  job_->LearnersArrived();
  EXPECT_EQ(job_->state(), JobState::kRunning);
  EXPECT_EQ(job_->AskStage(0, true), Ask::kAssigned);
}

TEST_F(JobRunTest, APauseEndsWhereTheJobStood) {
  ASSERT_TRUE(job_->Pause().ok()) << "also before anything runs";
  ASSERT_TRUE(job_->Pause().ok()) << "again";
  EXPECT_EQ(job_->state(), JobState::kPaused);
  job_->LearnersArrived();
  EXPECT_EQ(job_->state(), JobState::kPaused) << "the pause lasts";
  ASSERT_TRUE(job_->Resume(/*learners_there=*/false).ok());
  EXPECT_EQ(job_->state(), JobState::kPending);
  ASSERT_TRUE(job_->Pause().ok());
  ASSERT_TRUE(job_->Resume(/*learners_there=*/true).ok());
  EXPECT_EQ(job_->state(), JobState::kRunning);
  ASSERT_TRUE(job_->Resume(true).ok()) << "it runs already";
}

TEST_F(JobRunTest, AJobThatEndedTakesNoOrders) {
  job_->Fail("out of luck");
  job_->Fail("something else");
  EXPECT_EQ(job_->state(), JobState::kFailed);
  EXPECT_EQ(job_->failure(), "out of luck") << "the first reason is the reason";
  EXPECT_EQ(Refusal(job_->Pause()), "the job is failed, it cannot pause");
  EXPECT_EQ(Refusal(job_->Resume(true)), "the job is failed, it cannot resume");
  EXPECT_EQ(Refusal(job_->Stop("", true)), "the job has failed already");
  EXPECT_EQ(job_->run(), nullptr);
  EXPECT_EQ(job_->ledger(), nullptr);
  EXPECT_THAT(File("summary.json"), HasSubstr("out of luck"));
}

TEST_F(JobRunTest, AStopWithNothingToSaveIsTheEnd) {
  Begin();
  ASSERT_TRUE(job_->Stop("", true).ok());
  EXPECT_EQ(job_->state(), JobState::kStopped);
  ASSERT_TRUE(job_->Stop("", true).ok()) << "again";
  EXPECT_EQ(Refusal(job_->Resume(true)),
            "the job is stopped, it cannot resume");
}

TEST_F(JobRunTest, AStopLastsUntilTheCheckpointIsThere) {
  Begin();
  ASSERT_TRUE(Publish({0, 0}).ok());
  Step(0);
  ASSERT_TRUE(job_->Stop("SIGTERM", true).ok());
  EXPECT_EQ(job_->state(), JobState::kStopping);
  EXPECT_EQ(Refusal(job_->Pause()), "the job is stopping, it cannot pause");
  EXPECT_EQ(Refusal(job_->Resume(true)),
            "the job is stopping, it cannot resume");
  ASSERT_TRUE(job_->CommitCheckpoint(Save(1)).ok());
  EXPECT_EQ(job_->state(), JobState::kStopped);
  EXPECT_EQ(job_->failure(), "SIGTERM");
}

TEST_F(JobRunTest, AJobIsDoneWhenItsStagesAre) {
  Begin();
  ASSERT_TRUE(Publish({0, 0}).ok());
  for (uint64_t step = 0; step < 3; ++step) Step(step);
  EXPECT_EQ(job_->position().stage, 0u) << "its last checkpoint is missing";
  ASSERT_TRUE(job_->CommitCheckpoint(Save(3)).ok());
  EXPECT_EQ(job_->position().stage, 1u);
  ASSERT_EQ(job_->AskStage(0, true), Ask::kAssigned);
  ASSERT_TRUE(Publish({1, 0}).ok());
  for (uint32_t slot = 0; slot < 2; ++slot) {
    v1::GroupContext context;
    context.mutable_key()->set_stage(1);
    context.mutable_key()->set_slot(slot);
    context.set_num_generations(1);
    const absl::Status taken = job_->Deliver(Scored(context, 1));
    ASSERT_TRUE(taken.ok()) << taken;
  }
  EXPECT_EQ(job_->state(), JobState::kSucceeded);
  EXPECT_EQ(job_->AskStage(0, true), Ask::kEnded);
}

TEST_F(JobRunTest, OnlyTheNextStepOfTheStageCanBegin) {
  Begin();
  EXPECT_TRUE(job_->CheckNextStep(0, 0, 0).ok());
  for (const auto& [stage, step] : {std::pair(0u, 1u), std::pair(1u, 0u)}) {
    EXPECT_THAT(Refusal(job_->CheckNextStep(0, stage, step)),
                AllOf(HasSubstr(absl::StrCat("step: stage ", stage, " step ",
                                             step, " is not the next one")),
                      HasSubstr("the job is running at stage 0 step 0")));
  }
  EXPECT_THAT(Refusal(job_->CheckNextStep(1, 0, 0)),
              HasSubstr("the rank set of rank 1 broke"));
}

TEST_F(JobRunTest, TokensThatDifferEndTheJob) {
  Begin();
  ASSERT_TRUE(Publish({0, 0}).ok());
  ASSERT_TRUE(Publish({0, 1}).ok());
  CommitRecord commit = CommitOf(0);
  commit.tokens_compared = 100;
  commit.tokens_differing = 1;
  EXPECT_THAT(Refusal(job_->CommitStep(commit, {})),
              HasSubstr("exactness lost: 1 of 100"));
  EXPECT_EQ(job_->state(), JobState::kFailed);
  EXPECT_FALSE(store_->FindCommit(0, 0)->has_value());
}

TEST_F(JobRunTest, WhatIsOfAnotherStageIsRefused) {
  Begin();
  EXPECT_THAT(Refusal(job_->AdmitVersion({1, 0})),
              HasSubstr("id: stage 1 is not running"));
  v1::ScoredGroup group;
  group.mutable_context()->mutable_key()->set_stage(1);
  EXPECT_THAT(Refusal(job_->Deliver(group)),
              HasSubstr("key: stage 1 is not running"));
  EXPECT_TRUE(job_->VersionArrived({1, 0}).ok())
      << "the stage changed during the transfer";
}

TEST_F(JobRunTest, ALostRankTakesTheJobBackToItsCheckpoint) {
  Begin();
  ASSERT_TRUE(Publish({0, 0}).ok());
  Step(0);
  ASSERT_TRUE(job_->CommitCheckpoint(Save(1)).ok());
  Step(1);
  job_->LoseRank(0, "fell silent");
  EXPECT_EQ(job_->run(), nullptr) << "no stage runs meanwhile";
  EXPECT_EQ(job_->state(), JobState::kRunning);
  EXPECT_EQ(job_->AskStage(0, true), Ask::kWait);
  EXPECT_THAT(Refusal(job_->CommitCheckpoint(Save(2))),
              HasSubstr("the rank set of rank 0 broke"));
  EndRollback();
  EXPECT_EQ(job_->position().step, 1u);
  EXPECT_THAT(File("events.jsonl"),
              HasSubstr("learner rank 0 fell silent; back from stage 0 step 2 "
                        "to stage 0 step 1"));
  EXPECT_FALSE(job_->CheckpointsToVerify().has_value());
  job_->EndRollback({});  // None waits any more.
  EXPECT_EQ(job_->position().step, 1u);
  ASSERT_EQ(job_->AskStage(0, true), Ask::kAssigned);
  ASSERT_TRUE(Publish({0, 1}).ok());
  Step(1);
}

TEST_F(JobRunTest, ARankThatHasNothingYetIsLostWithoutHarm) {
  job_->LearnersArrived();
  job_->LoseRank(0, "fell silent");
  EXPECT_FALSE(job_->CheckpointsToVerify().has_value());
  EXPECT_NE(job_->run(), nullptr);
}

// AppTest.StopEndsLongPollsAndWatchesAtOnce did this by accident, and failed
// when its stop came later than the sixth question.
TEST_F(JobRunTest, ARankThatAsksAgainAndAgainWithoutAStepFailsTheJob) {
  job_->LearnersArrived();
  int assigned = 0;
  while (job_->AskStage(0, true) == Ask::kAssigned) ++assigned;
  EXPECT_EQ(assigned, 5);
  EXPECT_EQ(job_->state(), JobState::kFailed);
  EXPECT_THAT(job_->failure(), HasSubstr("broke 5 times without a new step"));
  EXPECT_EQ(Refusal(job_->Stop("", true)), "the job has failed already");
}

TEST_F(JobRunTest, ACheckpointMustBeOfThePosition) {
  Begin();
  ASSERT_TRUE(Publish({0, 0}).ok());
  Step(0);
  CheckpointRecord record = Save(1);
  record.next_step = 2;
  EXPECT_THAT(Refusal(job_->CommitCheckpoint(record)),
              HasSubstr("next_step: the job is at stage 0 step 1"));
  record = Save(1);
  record.chain = HashOf("another");
  EXPECT_THAT(Refusal(job_->CommitCheckpoint(record)),
              HasSubstr(HashOf("another").Hex()));
  record = Save(1);
  record.directory = "checkpoints/elsewhere";
  const absl::Status missing = job_->CommitCheckpoint(record);
  EXPECT_TRUE(absl::IsInvalidArgument(missing))
      << "NOT_FOUND would say that the learner is not a member: " << missing;
  ASSERT_TRUE(job_->CommitCheckpoint(Save(1)).ok());
  ASSERT_TRUE(job_->CommitCheckpoint(Save(1)).ok()) << "a repeated request";
  EXPECT_EQ(job_->history().checkpoints().size(), 1u);
}

TEST_F(JobRunTest, TheProcessThatFollowsStandsAtTheCheckpoint) {
  Begin();
  ASSERT_TRUE(Publish({0, 0}).ok());
  Step(0);
  ASSERT_TRUE(job_->CommitCheckpoint(Save(1)).ok());
  Step(1);
  Open();
  EXPECT_EQ(job_->state(), JobState::kPending);
  EXPECT_EQ(job_->position().step, 1u);
  EXPECT_THAT(File("events.jsonl"),
              HasSubstr("from checkpoints/1, stage 0 step 1"));
}

TEST_F(JobRunTest, WhatIsMissingForTooLongFailsTheJob) {
  PassAndCheck(absl::ZeroDuration());
  PassAndCheck(plan_.wait);
  EXPECT_EQ(job_->state(), JobState::kPending);
  PassAndCheck(absl::Seconds(1));
  EXPECT_EQ(job_->state(), JobState::kFailed);
  EXPECT_THAT(job_->failure(), HasSubstr("cluster.wait_seconds"));
  PassAndCheck(absl::Hours(1));  // Nothing happens to a job that is over.
  EXPECT_EQ(job_->state(), JobState::kFailed);
}

TEST_F(JobRunTest, APausedJobWaitsForNothing) {
  ASSERT_TRUE(job_->Pause().ok());
  PassAndCheck(absl::Hours(24));
  PassAndCheck(absl::Hours(24));
  EXPECT_EQ(job_->state(), JobState::kPaused);
  ASSERT_TRUE(job_->Resume(false).ok());
  PassAndCheck(plan_.wait);
  EXPECT_EQ(job_->state(), JobState::kPending) << "its time began again";
}

TEST_F(JobRunTest, WeightsThatComeAfterTheEndAreNotKept) {
  Begin();
  const WeightsId id{0, 0};
  const std::string bytes = WeightsOf(id);
  auto incoming =
      weights_->Begin(id, {.bytes = bytes.size(), .checksum = HashOf(bytes)});
  ASSERT_TRUE(
      (*incoming)->Append(0, bytes, Hash64(bytes.data(), bytes.size())).ok());
  job_->Fail("out of luck");
  ASSERT_TRUE(weights_->Finish(*std::move(incoming)).ok());
  ASSERT_TRUE(job_->VersionArrived(id).ok());
  EXPECT_FALSE(weights_->Find(id).has_value());
}

TEST_F(JobRunTest, AStopByTheOwnerLastsWhereTheProcessIsStartedAgain) {
  Open(/*lingers=*/true);
  ASSERT_TRUE(job_->Stop("", true).ok());
  Open(/*lingers=*/true);
  EXPECT_EQ(job_->state(), JobState::kStopped);
  ASSERT_TRUE(job_->Resume(false).ok());
  EXPECT_EQ(job_->state(), JobState::kPending);
  ASSERT_TRUE(job_->Stop("SIGTERM", true).ok());
  Open(/*lingers=*/true);
  EXPECT_EQ(job_->state(), JobState::kPending)
      << "a signal stops the process, not the job";
}

TEST_F(JobRunTest, AJobWithoutAnEndHasNoSummary) {
  ASSERT_TRUE(job_->Stop("", true).ok());
  EXPECT_THAT(File("summary.json"), Not(HasSubstr("pending")));
  EXPECT_TRUE(std::filesystem::exists(dir_ / "summary.json"));
  Open();
  EXPECT_FALSE(std::filesystem::exists(dir_ / "summary.json"));
}

}  // namespace
}  // namespace aha::coordinator
