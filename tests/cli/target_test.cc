#include "cli/commands/target.h"

#include <filesystem>

#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "tests/temp_dir.h"

namespace aha::cli {
namespace {

using ::testing::ElementsAre;
using ::testing::EndsWith;
using ::testing::Field;
using ::testing::HasSubstr;

TEST(TargetTest, ARunIsFoundByNameByDirectoryOrAsTheLatest) {
  const TempDir root;
  root.Write("old/job.yaml", "name: old\n");
  root.Write("new/job.yaml", "name: new\n");
  root.Write("no-run/x", "");
  std::filesystem::last_write_time(
      root.path() + "/old",
      std::filesystem::file_time_type::clock::now() - std::chrono::hours(1));
  EXPECT_THAT(ResolveRun("old", "", root.path())->path(), EndsWith("/old"));
  EXPECT_THAT(ResolveRun("", "", root.path())->path(), EndsWith("/new"));
  EXPECT_THAT(ResolveRun("", root.path() + "/old", "")->path(),
              EndsWith("/old"));
  EXPECT_THAT(ResolveRun(root.path() + "/old", "", "nowhere")->path(),
              EndsWith("/old"));
}

TEST(TargetTest, WhatWasNotFoundIsNamedWithARemedy) {
  const TempDir root;
  const auto message = [&](const std::string& name, const std::string& dir) {
    const absl::Status status = ResolveRun(name, dir, root.path()).status();
    EXPECT_TRUE(absl::IsNotFound(status)) << status;
    return std::string(status.message());
  };
  EXPECT_THAT(message("none", ""), HasSubstr("job \"none\" not found below"));
  EXPECT_THAT(message("", root.path()), HasSubstr("it has no job.yaml"));
  EXPECT_THAT(message("", ""), HasSubstr("start one with `ahactl run"));
}

TEST(TargetTest, ADirectoryIsStrongerThanAnAddress) {
  Target target;
  EXPECT_FALSE(target.Remote());
  target.admin.address = "127.0.0.1:1";
  EXPECT_TRUE(target.Remote());
  target.dir = "runs/x";
  EXPECT_FALSE(target.Remote());
}

TEST(TargetTest, TheFeedOfAnEndedRunComesFromItsFiles) {
  const TempDir root;
  root.Write("tiny/job.yaml", "name: tiny\n");
  root.Write("tiny/summary.json", R"({"job": "tiny", "state": "failed"})");
  Target target;
  target.runs = root.path();
  target.name = "tiny";
  EXPECT_EQ(target.View()->state, run::JobState::kFailed);
  EXPECT_EQ((*target.FollowedFeed())->End()->job, "tiny");
  EXPECT_TRUE(absl::IsUnavailable(target.Connect().status()));
}

TEST(TargetTest, AllJobsAreThoseBelowTheRoot) {
  const TempDir root;
  root.Write("a/summary.json", R"({"job": "a", "state": "succeeded"})");
  root.Write("b/job.yaml", "name: b\n");
  Target target;
  target.runs = root.path();
  EXPECT_THAT(
      *target.Jobs(),
      ElementsAre(Field(&run::JobView::state, run::JobState::kSucceeded),
                  Field(&run::JobView::state, run::JobState::kInterrupted)));
}

}  // namespace
}  // namespace aha::cli
