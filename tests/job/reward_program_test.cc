// The programs that a job's rewards name.
#include "job/reward_program.h"

#include <sys/stat.h>

#include <filesystem>
#include <string>
#include <vector>

#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "job/file/job.h"
#include "tests/job/minimal_job.h"
#include "tests/temp_dir.h"

namespace aha {
namespace {

using ::testing::AllOf;
using ::testing::ElementsAre;
using ::testing::HasSubstr;

// The minimal job with this component as its only reward.
absl::StatusOr<v1::Job> JobWith(const std::string& component) {
  return ParseJob(kMinimalJob, "job.yaml", {"rewards=[" + component + "]"});
}
std::string ErrorFor(const std::string& component) {
  const auto job = JobWith(component);
  return job.ok() ? "ok" : std::string(job.status().message());
}

TEST(RewardProgramTest, TheTypeFollowsFromTheKey) {
  const auto command = JobWith("{command: [./judge, -v], name: a}");
  ASSERT_TRUE(command.ok()) << command.status();
  EXPECT_EQ(command->rewards(0).type(), "command");
  EXPECT_EQ(command->rewards(0).program().workers(), 1);
  EXPECT_EQ(ProgramFile(command->rewards(0)), "./judge");
  EXPECT_EQ(ProgramKey(command->rewards(0), 0), "rewards[0].command");
  const auto python = JobWith("{python: 'a/b.py:score'}");
  ASSERT_TRUE(python.ok()) << python.status();
  EXPECT_EQ(python->rewards(0).type(), "python");
  EXPECT_EQ(python->rewards(0).name(), "python");
  EXPECT_EQ(ProgramFile(python->rewards(0)), "a/b.py");
  EXPECT_FALSE(JobWith("{type: accuracy}")->rewards(0).has_program());
}

TEST(RewardProgramTest, KeysOfProgramsAreConfigErrorsElsewhere) {
  for (const char* key :
       {"command: [./judge]", "python: 'a.py:f'", "program: {workers: 2}",
        "on_timeout: 0", "on_crash: 0"}) {
    EXPECT_THAT(ErrorFor(std::string("{type: accuracy, ") + key + "}"),
                HasSubstr("must be absent for a reward of type accuracy"))
        << key;
  }
  EXPECT_THAT(ErrorFor("{command: [./judge], tolerance: 1}"),
              HasSubstr("rewards[0].tolerance: must be absent"));
  EXPECT_THAT(ErrorFor("{command: [./judge], python: 'a.py:f', type: python}"),
              HasSubstr("rewards[0].command: must be absent beside python"));
  EXPECT_THAT(
      ErrorFor("{command: [./judge], program: {interpreter: /bin/python3}}"),
      HasSubstr("rewards[0].program.interpreter: must be absent"));
}

TEST(RewardProgramTest, WhatCannotBeRunIsAConfigError) {
  EXPECT_THAT(ErrorFor("{type: command}"),
              HasSubstr("rewards[0].command: must be a list that begins with"));
  EXPECT_THAT(ErrorFor("{python: a.py}"),
              HasSubstr("must be FILE.py:FUNCTION"));
  EXPECT_THAT(ErrorFor("{type: python}"),
              HasSubstr("rewards[0].python: must be FILE.py:FUNCTION"));
  EXPECT_THAT(ErrorFor("{command: [./judge], program: {timeout_seconds: 200}}"),
              AllOf(HasSubstr("rewards[0].program.timeout_seconds"),
                    HasSubstr("half of cluster.wait_seconds (150)")));
  EXPECT_THAT(ErrorFor("{command: [./judge], "
                       "program: {min_score: 2, max_score: 1}}"),
              HasSubstr("rewards[0].program.min_score: must be at most"));
}

TEST(RewardProgramTest, PathsBecomeAbsoluteAndArgumentsStay) {
  v1::Job job = *ParseJob(
      kMinimalJob, "job.yaml",
      {"rewards=[{command: [judge, x], name: a}, {python: 'b.py:f'}]"});
  MakePathsAbsolute(&job);
  const std::string here = std::filesystem::current_path().string();
  EXPECT_THAT(job.rewards(0).command(), ElementsAre(here + "/judge", "x"));
  EXPECT_EQ(job.rewards(1).python(), here + "/b.py:f");
  EXPECT_THAT(ProgramsOf(job), ElementsAre(here + "/judge", here + "/b.py"));
}

class ProgramFilesTest : public ::testing::Test {
 protected:
  std::string Executable(const std::string& name) const {
    const std::string path = dir_.Write(name, "#!/bin/sh\n");
    EXPECT_EQ(::chmod(path.c_str(), 0755), 0);
    return path;
  }
  const TempDir dir_;
};

TEST_F(ProgramFilesTest, OnlyProgramsOfTheListAreAllowed) {
  const std::string judge = Executable("judge");
  const v1::Job job = *JobWith("{command: [" + judge + ", x]}");
  EXPECT_TRUE(CheckProgramsAllowed(job, {judge}).ok());
  const absl::Status denied = CheckProgramsAllowed(job, {dir_ / "other"});
  EXPECT_TRUE(absl::IsPermissionDenied(denied)) << denied;
  EXPECT_THAT(std::string(denied.message()),
              AllOf(HasSubstr("rewards[0].command"),
                    HasSubstr("--allow-command " + judge)));
  EXPECT_TRUE(CheckProgramsAllowed(*JobWith("{type: accuracy}"), {}).ok());
  EXPECT_FALSE(CheckProgramsAllowed(job, {}).ok());
}

TEST_F(ProgramFilesTest, ALinkIsWhatItPointsTo) {
  const std::string judge = Executable("judge");
  std::filesystem::create_symlink(judge, dir_ / "link");
  const v1::Job job = *JobWith("{command: [" + dir_ / "link" + "]}");
  EXPECT_TRUE(CheckProgramsAllowed(job, {judge}).ok());
  // A link that is named cannot be turned to another program: that one would
  // have to be allowed.
  std::filesystem::remove(dir_ / "link");
  std::filesystem::create_symlink(Executable("evil"), dir_ / "link");
  EXPECT_FALSE(CheckProgramsAllowed(job, {judge}).ok());
}

TEST_F(ProgramFilesTest, AnInterpreterOfTheJobMustBeAllowedToo) {
  const std::string file = dir_.Write("mine.py", "");
  const v1::Job job =
      *JobWith("{python: '" + file + ":f', program: {interpreter: /bin/sh}}");
  const absl::Status denied = CheckProgramsAllowed(job, {file});
  EXPECT_THAT(
      std::string(denied.message()),
      AllOf(HasSubstr("rewards[0].program.interpreter"), HasSubstr("/bin/sh")));
  EXPECT_TRUE(CheckProgramsAllowed(job, {file, "/bin/sh"}).ok());
}

TEST_F(ProgramFilesTest, AnUnusableFileIsNamedWithItsKey) {
  const auto why = [](const std::string& component) {
    return std::string(CheckProgramFiles(*JobWith(component)).message());
  };
  EXPECT_EQ(why("{command: [" + Executable("judge") + "]}"), "");
  EXPECT_THAT(why("{command: [" + dir_ / "none" + "]}"),
              HasSubstr("rewards[0].command: " + dir_ / "none" +
                        ": there is no such file"));
  EXPECT_THAT(why("{command: [" + dir_.path() + "]}"),
              HasSubstr("it is not a file"));
  EXPECT_THAT(why("{command: [" + dir_.Write("plain", "") + "]}"),
              HasSubstr("it is not executable"));
  // A Python file need not be executable.
  EXPECT_EQ(why("{python: '" + dir_.Write("mine.py", "") + ":f'}"), "");
}

}  // namespace
}  // namespace aha
