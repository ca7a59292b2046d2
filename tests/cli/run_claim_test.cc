#include "cli/local/run_claim.h"

#include <fcntl.h>
#include <sys/file.h>
#include <unistd.h>

#include <filesystem>

#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "run/layout.h"
#include "tests/temp_dir.h"

namespace aha::cli {
namespace {

using ::testing::AllOf;
using ::testing::HasSubstr;

constexpr char kSucceeded[] = R"({"job": "tiny", "state": "succeeded"})";
constexpr char kStopped[] =
    R"({"job": "tiny", "state": "stopped", "steps": 3})";

class RunClaimTest : public ::testing::Test {
 protected:
  absl::StatusOr<Start> Examine(Wish wish) const {
    return ExamineDirectory(run_, held_, wish);
  }
  std::string Refusal(Wish wish) const {
    return std::string(Examine(wish).status().message());
  }

  const TempDir dir_;
  const run::RunReader run_{dir_.path()};
  HeldJob held_{
      .status = absl::OkStatus(), .name = "tiny", .same_result = true};
};

TEST_F(RunClaimTest, ANewDirectoryIsAFreshStart) {
  held_.status = absl::NotFoundError("no job.yaml");
  EXPECT_EQ(*Examine(Wish::kNew), Start::kFresh);
  EXPECT_TRUE(absl::IsNotFound(Examine(Wish::kResume).status()));
  EXPECT_THAT(Refusal(Wish::kResume), HasSubstr("leave out --resume"));
}

TEST_F(RunClaimTest, AnotherJobThatNeverDidAStepIsNoObstacle) {
  dir_.Write("job.yaml", "name: other\n");
  held_.same_result = false;
  EXPECT_EQ(*Examine(Wish::kNew), Start::kFresh);
  EXPECT_TRUE(absl::IsAlreadyExists(Examine(Wish::kResume).status()));
}

TEST_F(RunClaimTest, ARunWithResultsIsOnlyContinued) {
  dir_.Write("job.yaml", "name: tiny\n");
  dir_.Write("summary.json", kStopped);
  EXPECT_EQ(*Examine(Wish::kResume), Start::kResume);
  EXPECT_TRUE(absl::IsAlreadyExists(Examine(Wish::kNew).status()));
  EXPECT_THAT(Refusal(Wish::kNew), AllOf(HasSubstr("job \"tiny\" (stopped)"),
                                         HasSubstr("--resume")));
}

TEST_F(RunClaimTest, ARunOfAnotherJobIsNamed) {
  dir_.Write("job.yaml", "name: other\n");
  dir_.Write("summary.json", kStopped);
  held_ = {.status = absl::OkStatus(), .name = "other", .same_result = false};
  for (const Wish wish : {Wish::kNew, Wish::kResume, Wish::kWhatIsNeeded}) {
    EXPECT_TRUE(absl::IsAlreadyExists(Examine(wish).status()));
    EXPECT_THAT(Refusal(wish), HasSubstr("holds another job (\"other\""));
  }
}

TEST_F(RunClaimTest, WhatIsNeededIsANewRunOrTheRestOfOneOrItsReport) {
  EXPECT_EQ(*Examine(Wish::kWhatIsNeeded), Start::kFresh);
  dir_.Write("job.yaml", "name: tiny\n");
  EXPECT_EQ(*Examine(Wish::kWhatIsNeeded), Start::kFresh);
  dir_.Write("metrics.jsonl", "{}\n");
  EXPECT_EQ(*Examine(Wish::kWhatIsNeeded), Start::kResume);
  dir_.Write("summary.json", kStopped);
  EXPECT_EQ(*Examine(Wish::kWhatIsNeeded), Start::kResume);
  dir_.Write("summary.json", kSucceeded);
  EXPECT_EQ(*Examine(Wish::kWhatIsNeeded), Start::kAlreadyDone);
}

TEST_F(RunClaimTest, AJobFileThatCannotBeReadCannotBeResumed) {
  dir_.Write("job.yaml", ":");
  dir_.Write("summary.json", kStopped);
  held_.status = absl::InvalidArgumentError("job.yaml:1: not YAML");
  EXPECT_TRUE(absl::IsFailedPrecondition(Examine(Wish::kResume).status()));
  EXPECT_THAT(Refusal(Wish::kResume), HasSubstr("job.yaml:1: not YAML"));
}

TEST_F(RunClaimTest, AJobThatSucceededIsDoneUnlessStepsAreInNoCheckpoint) {
  dir_.Write("job.yaml", "name: tiny\n");
  dir_.Write("summary.json", kSucceeded);
  EXPECT_EQ(*Examine(Wish::kResume), Start::kAlreadyDone);
  dir_.Write("summary.json",
             R"({"state": "succeeded", "problem": "step 3 is in none"})");
  EXPECT_EQ(*Examine(Wish::kResume), Start::kResume);
}

TEST_F(RunClaimTest, ADirectoryIsMadeAndLocked) {
  const run::RunReader run(dir_ / "a/b");
  ASSERT_TRUE(ClaimDirectory(run, {.quiet = true}).ok());
  const absl::Status again = ClaimDirectory(run, {.quiet = true});
  EXPECT_TRUE(absl::IsAlreadyExists(again));
  EXPECT_THAT(std::string(again.message()),
              AllOf(HasSubstr("is in use by another `ahactl run`"),
                    HasSubstr("ahactl job stop --dir " + run.path())));
}

TEST_F(RunClaimTest, ARunWhoseJobHasEndedIsWaitedForAndThenNamed) {
  dir_.Write("summary.json", kStopped);
  const int fd =
      ::open((dir_ / run::kSupervisorLockFile).c_str(), O_RDWR | O_CREAT, 0644);
  ASSERT_EQ(::flock(fd, LOCK_EX), 0);
  ::testing::internal::CaptureStderr();
  const absl::Status status =
      ClaimDirectory(run_, {.patience = absl::Milliseconds(1)});
  EXPECT_THAT(::testing::internal::GetCapturedStderr(),
              HasSubstr("waiting for the run in"));
  EXPECT_THAT(std::string(status.message()), HasSubstr("whose job has ended"));
  ::close(fd);
  EXPECT_TRUE(ClaimDirectory(run_, {.quiet = true}).ok());
}

TEST_F(RunClaimTest, APidOfAnotherProgramIsNoOldProcess) {
  // The parent of this test runs, but its program is not one of Aha's.
  dir_.Write("processes.json",
             run::ProcessesText({{"actor-0", "actor", ::getppid()}}));
  EXPECT_TRUE(
      ClaimDirectory(run_, {.quiet = true, .patience = absl::ZeroDuration()})
          .ok());
}

TEST_F(RunClaimTest, ADirectoryBelowAFileIsAWrongArgument) {
  const run::RunReader run(dir_.Write("file", "") + "/run");
  const absl::Status status = ClaimDirectory(run, {});
  EXPECT_TRUE(absl::IsInvalidArgument(status));
  EXPECT_THAT(std::string(status.message()),
              HasSubstr("--dir: cannot create run directory " + run.path()));
}

}  // namespace
}  // namespace aha::cli
