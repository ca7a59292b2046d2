// Jobs that are submitted to a standing coordinator, on the disk alone.
#include "coordinator/submission.h"

#include <filesystem>
#include <future>
#include <memory>
#include <optional>
#include <string>

#include "absl/strings/str_cat.h"
#include "coordinator/state_store.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "job/file/job.h"
#include "job/identity.h"
#include "tests/temp_dir.h"

namespace aha::coordinator {
namespace {

using ::testing::AllOf;
using ::testing::HasSubstr;

v1::Job SubmittedJob(int steps = 3) {
  return *ParseJob(absl::StrCat(R"(
name: tiny
model:
  architecture: {}
rewards: [{type: accuracy}]
stages:
  - name: grpo
    type: grpo
    grpo: {prompts_per_step: 2, num_generations: 2, steps: )",
                                steps, "}\n"),
                   "test");
}

class SubmissionsTest : public ::testing::Test {
 protected:
  SubmissionsTest() { Open(); }
  void Open() {
    submissions_.reset();
    auto opened = Submissions::Open(dir_.path());
    ASSERT_TRUE(opened.ok()) << opened.status();
    submissions_ = *std::move(opened);
  }
  // As if the job had run there: one step, and how it stands.
  void Begin(const v1::Job& job, const std::string& state) {
    const auto store = *StateStore::Open(dir_ / "tiny/coordinator.db");
    ASSERT_TRUE(store->PutCommit({}, 1).ok());
    ASSERT_TRUE(store
                    ->Set({{"fingerprint", ResultFingerprint(job).Hex()},
                           {"state", state}})
                    .ok());
  }
  // Submits to a coordinator that has no job in its memory.
  absl::Status Submit(const v1::Job& job, bool resume) {
    Open();
    return submissions_->Submit(job, resume);
  }
  std::string Refusal(const v1::Job& job, bool resume) {
    const absl::Status status = Submit(job, resume);
    EXPECT_TRUE(absl::IsFailedPrecondition(status)) << status;
    return std::string(status.message());
  }

  const TempDir dir_;
  std::unique_ptr<Submissions> submissions_;
};

TEST_F(SubmissionsTest, WithoutASubmissionThereIsNoJob) {
  EXPECT_FALSE(submissions_->Current()->has_value());
}

TEST_F(SubmissionsTest, AnAcceptedJobIsTheCurrentOneAlsoAfterACrash) {
  const absl::Status accepted = Submit(SubmittedJob(), false);
  ASSERT_TRUE(accepted.ok()) << accepted;
  Open();
  const auto current = submissions_->Current();
  ASSERT_TRUE(current.ok() && current->has_value()) << current.status();
  EXPECT_EQ((*current)->SerializeAsString(),
            ResolveJob(SubmittedJob())->SerializeAsString());
  EXPECT_EQ(submissions_->DirectoryOf(**current),
            submissions_->root().path() + "/tiny");
  submissions_->Forget();
  EXPECT_FALSE(submissions_->Current()->has_value());
  submissions_->Forget();  // There is none to forget.
}

TEST_F(SubmissionsTest, ASecondJobIsUnavailableUntilTheFirstIsForgotten) {
  ASSERT_TRUE(submissions_->Submit(SubmittedJob(), false).ok());
  EXPECT_EQ(submissions_->Next()->name(), "tiny");
  v1::Job other = SubmittedJob();
  other.set_name("other");
  const absl::Status second = submissions_->Submit(other, false);
  EXPECT_TRUE(absl::IsUnavailable(second)) << second;
  EXPECT_FALSE(std::filesystem::exists(dir_ / "other"));
  submissions_->Forget();
  EXPECT_TRUE(submissions_->Submit(other, false).ok());
  EXPECT_EQ(submissions_->Next()->name(), "other");
}

TEST_F(SubmissionsTest, AThreadThatWaitsForAJobGetsItOrTheInterruption) {
  const auto next = [this] { return submissions_->Next(); };
  std::future<std::optional<v1::Job>> job = std::async(next);
  ASSERT_TRUE(submissions_->Submit(SubmittedJob(), false).ok());
  EXPECT_EQ(job.get()->name(), "tiny");
  submissions_->Forget();
  std::future<std::optional<v1::Job>> none = std::async(next);
  submissions_->Interrupt();
  EXPECT_FALSE(none.get().has_value());
}

TEST_F(SubmissionsTest, AJobWithErrorsChangesNothing) {
  v1::Job job = SubmittedJob();
  job.mutable_stages(0)->mutable_grpo()->set_num_generations(0);
  const absl::Status status = Submit(job, false);
  EXPECT_TRUE(absl::IsInvalidArgument(status)) << status;
  EXPECT_THAT(std::string(status.message()), HasSubstr("num_generations"));
  EXPECT_FALSE(submissions_->Current()->has_value());
  EXPECT_FALSE(std::filesystem::exists(dir_ / "tiny"));
}

TEST_F(SubmissionsTest, ANameThatWouldLeadElsewhereIsRefused) {
  for (const char* name : {"../x", "a/b", "/tmp/x", ".current", ""}) {
    v1::Job job = SubmittedJob();
    job.set_name(name);
    EXPECT_TRUE(absl::IsInvalidArgument(Submit(job, false))) << name;
  }
}

TEST_F(SubmissionsTest, ARunThatIsNotBegunMayBeSubmittedAgainAndChanged) {
  ASSERT_TRUE(Submit(SubmittedJob(), false).ok());
  ASSERT_TRUE(Submit(SubmittedJob(5), false).ok());
  EXPECT_EQ((**submissions_->Current()).stages(0).grpo().steps(), 5u);
  EXPECT_THAT(Refusal(SubmittedJob(), true),
              HasSubstr("--resume: the cluster holds no run of job tiny"));
}

TEST_F(SubmissionsTest, ARunThatIsBegunIsContinuedOnlyWithResume) {
  ASSERT_TRUE(Submit(SubmittedJob(), false).ok());
  Begin(SubmittedJob(), "stopped");
  EXPECT_THAT(Refusal(SubmittedJob(), false),
              AllOf(HasSubstr("stopped"), HasSubstr("--resume")));
  EXPECT_TRUE(Submit(SubmittedJob(), true).ok());
}

TEST_F(SubmissionsTest, AnotherJobOfTheNameIsRefusedWithOrWithoutResume) {
  ASSERT_TRUE(Submit(SubmittedJob(), false).ok());
  Begin(SubmittedJob(), "failed");
  for (const bool resume : {false, true}) {
    EXPECT_THAT(Refusal(SubmittedJob(5), resume),
                AllOf(HasSubstr("failed"), HasSubstr("of another job"),
                      HasSubstr("choose another name")));
  }
}

TEST_F(SubmissionsTest, AJobThatHasSucceededHasNothingToContinue) {
  ASSERT_TRUE(Submit(SubmittedJob(), false).ok());
  Begin(SubmittedJob(), "succeeded");
  dir_.Write("tiny/summary.json", "{}");
  for (const bool resume : {false, true}) {
    EXPECT_THAT(Refusal(SubmittedJob(), resume),
                HasSubstr("which has succeeded"));
  }
  // A process that was killed before it wrote the summary has more to do.
  std::filesystem::remove(dir_ / "tiny/summary.json");
  EXPECT_TRUE(Submit(SubmittedJob(), true).ok());
}

TEST_F(SubmissionsTest, ACurrentJobThatCannotBeReadIsNamed) {
  ASSERT_TRUE(Submit(SubmittedJob(), false).ok());
  const auto refusal = [this] {
    const absl::Status status = submissions_->Current().status();
    EXPECT_TRUE(absl::IsInvalidArgument(status)) << status;
    EXPECT_THAT(std::string(status.message()),
                AllOf(HasSubstr(".current: names \""),
                      HasSubstr("submit the job again")));
    return std::string(status.message());
  };
  dir_.Write("tiny/job.yaml", "name: [");
  EXPECT_THAT(refusal(), HasSubstr("\"tiny\""));
  dir_.Write("tiny/job.yaml", JobToYaml([] {
               v1::Job other = SubmittedJob();
               other.set_name("other");
               return other;
             }()));
  EXPECT_THAT(refusal(), HasSubstr("its job.yaml is of other"));
  std::filesystem::remove(dir_ / "tiny/job.yaml");
  refusal();
  dir_.Write(".current", "missing\n");
  EXPECT_THAT(refusal(), HasSubstr("\"missing\""));
  dir_.Write(".current", "");
  refusal();
}

TEST_F(SubmissionsTest, ARootHasOneCoordinator) {
  const absl::Status second = Submissions::Open(dir_.path()).status();
  EXPECT_TRUE(absl::IsFailedPrecondition(second)) << second;
  EXPECT_THAT(std::string(second.message()), HasSubstr("--runs"));
}

}  // namespace
}  // namespace aha::coordinator
