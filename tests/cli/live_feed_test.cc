#include "cli/client/live_feed.h"

#include <unistd.h>

#include <thread>

#include "absl/time/clock.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "run/layout.h"
#include "tests/cli/fake_admin.h"
#include "tests/temp_dir.h"

namespace aha::cli {
namespace {

using ::testing::ElementsAre;
using ::testing::Field;
using ::testing::HasSubstr;
using ::testing::IsEmpty;

class LocalFeedTest : public ::testing::Test {
 protected:
  LocalFeedTest() {
    dir_.Write("job.yaml", "name: tiny\n");
    dir_.Write("metrics.jsonl", "{\"stage\":\"zero\",\"step\":4}\n");
  }
  // A coordinator of this process serves, or seems to.
  void WriteEndpoint(const std::string& address, pid_t pid) {
    dir_.Write(run::kEndpointFile,
               run::EndpointText({.address = address, .pid = pid}));
  }

  const TempDir dir_;
  FakeAdmin admin_;
  LocalFeed feed_{run::RunReader(dir_.path()), AdminOptions()};
};

TEST_F(LocalFeedTest, ALiveJobIsWhatTheCoordinatorSaysInTheDirectoryItIsIn) {
  WriteEndpoint(admin_.address(), ::getpid());
  admin_.SetJob("tiny", v1::JOB_STATE_PAUSED);
  v1::Member actor;
  actor.set_name("actor-0");
  actor.set_role(v1::ROLE_ACTOR);
  admin_.members = {actor};
  const auto job = feed_.Job();
  ASSERT_TRUE(job.ok()) << job.status();
  EXPECT_EQ(job->state, run::JobState::kPaused);
  EXPECT_EQ(job->run_directory, dir_.path());
  EXPECT_THAT(feed_.Members(),
              ElementsAre(Field(&run::MemberView::role, "actor")));
  EXPECT_EQ(feed_.Metrics().size(), 1u);
}

TEST_F(LocalFeedTest, WithoutACoordinatorTheFilesShowTheJob) {
  EXPECT_EQ(feed_.Job()->state, run::JobState::kInterrupted);
  EXPECT_EQ(feed_.Job()->stages.at(0).steps_done, 5u);
  EXPECT_THAT(feed_.Members(), IsEmpty());
}

TEST_F(LocalFeedTest, ACoordinatorThatDoesNotAnswerIsNotTakenForAnEnd) {
  WriteEndpoint(admin_.address(), ::getpid());
  admin_.Stop();
  EXPECT_EQ(feed_.Job()->state, run::JobState::kUnknown);
}

TEST_F(LocalFeedTest, AFeedFollowsTheJobPastTheEndOfItsCoordinator) {
  WriteEndpoint(admin_.address(), ::getpid());
  admin_.SetJob("tiny", v1::JOB_STATE_RUNNING);
  EXPECT_EQ(feed_.Job()->state, run::JobState::kRunning);
  admin_.Stop();
  std::filesystem::remove(dir_ / run::kEndpointFile);
  dir_.Write(run::kSummaryFile, R"({"state": "succeeded"})");
  EXPECT_EQ(feed_.Job()->state, run::JobState::kSucceeded);
}

TEST_F(LocalFeedTest, ConnectingToAJobThatDoesNotRunSaysHowToContinueIt) {
  const run::RunReader run(dir_.path());
  const absl::Status interrupted = ConnectToRun(run, {}).status();
  EXPECT_TRUE(absl::IsUnavailable(interrupted));
  EXPECT_THAT(std::string(interrupted.message()),
              HasSubstr("`ahactl run --resume --dir " + dir_.path() + "`"));
  dir_.Write(run::kSummaryFile, R"({"state": "succeeded"})");
  const absl::Status over = ConnectToRun(run, {}).status();
  EXPECT_TRUE(absl::IsFailedPrecondition(over));
  EXPECT_THAT(std::string(over.message()), HasSubstr("has succeeded"));
}

class RemoteFeedTest : public ::testing::Test {
 protected:
  RemoteFeed Feed(const std::string& job) {
    return {admin_.options(), job, [this]() -> absl::StatusOr<run::RunReader> {
              ++files_asked_;
              return absl::UnavailableError("no files");
            }};
  }
  static v1::JobStatus Ended(const std::string& name, v1::JobState state) {
    v1::JobStatus job;
    job.set_name(name);
    job.set_state(state);
    return job;
  }

  FakeAdmin admin_;
  int files_asked_ = 0;
};

TEST_F(RemoteFeedTest, TheCurrentJobNeedsNoName) {
  admin_.SetJob("tiny", v1::JOB_STATE_RUNNING);
  EXPECT_EQ(Feed("").Job()->name, "tiny");
  EXPECT_EQ(Feed("tiny").Job()->run_directory, "/there/tiny");
  EXPECT_EQ(files_asked_, 0) << "no file was needed";
}

TEST_F(RemoteFeedTest, AJobThatEndedIsInTheList) {
  admin_.SetJob("next", v1::JOB_STATE_RUNNING);
  admin_.listed = {Ended("old", v1::JOB_STATE_FAILED),
                   Ended("killed", v1::JOB_STATE_UNSPECIFIED)};
  EXPECT_EQ(Feed("old").Job()->state, run::JobState::kFailed);
  EXPECT_EQ(Feed("killed").Job()->state, run::JobState::kInterrupted);
}

TEST_F(RemoteFeedTest, AnUnknownJobIsNamedWithThoseThatAreThere) {
  admin_.listed = {Ended("a", v1::JOB_STATE_FAILED),
                   Ended("b", v1::JOB_STATE_STOPPED)};
  const absl::Status status = Feed("none").Job().status();
  EXPECT_TRUE(absl::IsNotFound(status));
  EXPECT_THAT(std::string(status.message()),
              HasSubstr("knows no job \"none\"; it has a, b"));
  EXPECT_TRUE(absl::IsNotFound(Feed("").Job().status()));
}

TEST_F(RemoteFeedTest, AFollowedJobIsKnownAfterItsCoordinatorIsGone) {
  admin_.SetJob("tiny", v1::JOB_STATE_RUNNING);
  RemoteFeed feed = Feed("tiny");
  feed.Follow();
  EXPECT_EQ(feed.Job()->state, run::JobState::kRunning);
  admin_.SetJob("tiny", v1::JOB_STATE_SUCCEEDED);
  const absl::Time deadline = absl::Now() + absl::Seconds(20);
  while (feed.Job()->state != run::JobState::kSucceeded &&
         absl::Now() < deadline) {
    std::this_thread::yield();
  }
  admin_.Stop();
  EXPECT_EQ(feed.Job()->state, run::JobState::kSucceeded);
}

TEST(StreamFeedTest, IsUnavailableUntilAStatusHasCome) {
  const TempDir dir;
  FakeAdmin admin;
  StreamFeed feed(admin.options(), run::RunReader(dir.path()));
  EXPECT_TRUE(absl::IsUnavailable(feed.Job().status()));
  admin.SetJob("tiny", v1::JOB_STATE_RUNNING);
  const absl::Time deadline = absl::Now() + absl::Seconds(20);
  while (!feed.Job().ok() && absl::Now() < deadline) std::this_thread::yield();
  EXPECT_EQ(feed.Job()->name, "tiny");
  EXPECT_EQ(feed.Job()->run_directory, dir.path());
}

}  // namespace
}  // namespace aha::cli
