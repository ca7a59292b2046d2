#include "cli/client/remote_run.h"

#include <filesystem>

#include "base/file_io.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "tests/cli/fake_admin.h"

namespace aha::cli {
namespace {

TEST(RemoteRunTest, SmallFilesAreCopiedAndRolloutsWhenTheyAreFetched) {
  FakeAdmin admin;
  admin.files = {{"summary.json", R"({"job": "tiny", "state": "stopped"})"},
                 {"logs/actor-0.log", "one\ntwo\n"},
                 {"rollouts/step-000003.jsonl", "{\"step\":3,\"slot\":1}\n"}};
  const auto remote = RemoteRun::Open(admin.options(), "tiny");
  ASSERT_TRUE(remote.ok()) << remote.status();
  const run::RunReader run = (*remote)->directory();
  EXPECT_EQ(run.ReadSummary()->state, run::JobState::kStopped);
  EXPECT_EQ(*ReadWholeFile(run.File("logs/actor-0.log")), "one\ntwo\n");
  const std::vector<run::RolloutRef> rollouts = run.Rollouts();
  ASSERT_EQ(rollouts.size(), 1u);
  EXPECT_TRUE(run::ReadRollouts(rollouts[0].path)->rollouts.empty());
  ASSERT_TRUE((*remote)->Fetch(rollouts[0].path).ok());
  EXPECT_EQ(run::ReadRollouts(rollouts[0].path)->rollouts.at(0).slot, 1u);
}

TEST(RemoteRunTest, ANameThatLeadsOutOfTheCopyIsLeftOut) {
  FakeAdmin admin;
  admin.files = {{"../aha-escaped.log", "x"},
                 {"/tmp/aha-escaped.log", "x"},
                 {"job.yaml", "name: tiny\n"}};
  const auto remote = RemoteRun::Open(admin.options(), "tiny");
  ASSERT_TRUE(remote.ok()) << remote.status();
  const std::string path = (*remote)->directory().path();
  EXPECT_EQ((*remote)->directory().JobName(), "tiny");
  EXPECT_FALSE(std::filesystem::exists(path + "/../aha-escaped.log"));
  EXPECT_FALSE(std::filesystem::exists("/tmp/aha-escaped.log"));
}

TEST(RemoteRunTest, TheCopyIsRemovedAtTheEnd) {
  FakeAdmin admin;
  admin.files = {{"job.yaml", "name: tiny\n"}};
  std::string path;
  {
    const auto remote = RemoteRun::Open(admin.options(), "tiny");
    ASSERT_TRUE(remote.ok()) << remote.status();
    path = (*remote)->directory().path();
    EXPECT_TRUE(std::filesystem::exists(path));
  }
  EXPECT_FALSE(std::filesystem::exists(path));
}

TEST(RemoteRunTest, ACoordinatorThatIsGoneIsAnErrorThatLeavesNothing) {
  FakeAdmin admin;
  AdminOptions options = admin.options();
  options.deadline = absl::Milliseconds(200);
  admin.Stop();
  EXPECT_TRUE(
      absl::IsUnavailable(RemoteRun::Open(options, "tiny").status()) ||
      absl::IsDeadlineExceeded(RemoteRun::Open(options, "tiny").status()));
}

}  // namespace
}  // namespace aha::cli
