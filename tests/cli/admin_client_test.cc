#include "cli/client/admin_client.h"

#include <cstdlib>
#include <thread>

#include "absl/strings/str_cat.h"
#include "absl/time/clock.h"
#include "cli/local/stop_request.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "tests/cli/fake_admin.h"
#include "tests/temp_dir.h"

namespace aha::cli {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::Pair;

class AdminClientTest : public ::testing::Test {
 protected:
  FakeAdmin admin_;
  const std::unique_ptr<AdminClient> client_ =
      *AdminClient::New(admin_.options());
};

TEST_F(AdminClientTest, EveryStateOfAJobIsTranslated) {
  for (const auto& [wire, state] :
       {std::pair(v1::JOB_STATE_UNSPECIFIED, run::JobState::kUnknown),
        std::pair(v1::JOB_STATE_PENDING, run::JobState::kPending),
        std::pair(v1::JOB_STATE_RUNNING, run::JobState::kRunning),
        std::pair(v1::JOB_STATE_PAUSED, run::JobState::kPaused),
        std::pair(v1::JOB_STATE_STOPPING, run::JobState::kStopping),
        std::pair(v1::JOB_STATE_STOPPED, run::JobState::kStopped),
        std::pair(v1::JOB_STATE_SUCCEEDED, run::JobState::kSucceeded),
        std::pair(v1::JOB_STATE_FAILED, run::JobState::kFailed)}) {
    admin_.SetJob("tiny", wire);
    EXPECT_EQ(client_->GetJob()->state, state);
  }
}

TEST(AdminClientAddressTest, ARefusedConnectionIsNotRetriedUntilTheDeadline) {
  AdminOptions options;
  options.address = "127.0.0.1:1";  // No process listens there.
  options.deadline = absl::Hours(1);
  const absl::Status status = (*AdminClient::New(options))->GetJob().status();
  EXPECT_TRUE(absl::IsUnavailable(status));
  EXPECT_THAT(std::string(status.message()), HasSubstr("Connection refused"));
}

TEST_F(AdminClientTest, TlsToAPortOfPlainTextIsSaid) {
  const TempDir scratch;
  const std::string make =
      absl::StrCat(AHA_SOURCE_DIR "/deploy/make-certificates ", scratch.path(),
                   " >/dev/null");
  ASSERT_EQ(std::system(make.c_str()), 0);
  AdminOptions options = admin_.options();
  options.tls_cert = scratch / "admin.pem";
  options.tls_key = scratch / "admin.key";
  options.tls_ca = scratch / "ca.pem";
  options.deadline = absl::Seconds(1);
  const absl::Status status = (*AdminClient::New(options))->GetJob().status();
  EXPECT_TRUE(absl::IsUnavailable(status));
  EXPECT_THAT(std::string(status.message()),
              HasSubstr("speaks plain text, not TLS: leave out --tls-cert"));
}

TEST_F(AdminClientTest, AStateOfANewerCoordinatorIsUnknown) {
  admin_.SetJob("tiny", static_cast<v1::JobState>(42));
  EXPECT_EQ(client_->GetJob()->state, run::JobState::kUnknown);
}

TEST_F(AdminClientTest, ACoordinatorWithoutAJobIsNotFound) {
  EXPECT_TRUE(absl::IsNotFound(client_->GetJob().status()));
}

TEST_F(AdminClientTest, AMembersRoleIsAWord) {
  for (const v1::Role role : {v1::ROLE_ACTOR, v1::ROLE_REWARD, v1::ROLE_LEARNER,
                              static_cast<v1::Role>(42)}) {
    admin_.members.emplace_back().set_role(role);
  }
  std::vector<std::string> roles;
  const auto members = client_->ListMembers();
  for (const run::MemberView& member : *members) {
    roles.push_back(member.role);
  }
  EXPECT_THAT(roles, ElementsAre("actor", "reward", "learner", "unknown"));
}

TEST_F(AdminClientTest, FilesAreListedWithTheirSizesAndReadInPieces) {
  admin_.files = {{"job.yaml", "12345"}, {"summary.json", ""}};
  EXPECT_THAT(*client_->ListRunFiles("tiny"),
              ElementsAre(Pair("job.yaml", 5), Pair("summary.json", 0)));
  EXPECT_EQ(*client_->ReadRunFile("tiny", "job.yaml", 0), "123");
  EXPECT_EQ(*client_->ReadRunFile("tiny", "job.yaml", 3), "45");
  EXPECT_EQ(*client_->ReadRunFile("tiny", "job.yaml", 5), "");
  EXPECT_TRUE(
      absl::IsNotFound(client_->ReadRunFile("tiny", "none", 0).status()));
}

TEST_F(AdminClientTest, AWatchEndsWhenItsCallbackHasSeenEnough) {
  admin_.SetJob("tiny", v1::JOB_STATE_RUNNING);
  int seen = 0;
  EXPECT_TRUE(
      client_->WatchJob([&](const run::JobView&) { return ++seen < 3; }).ok());
  EXPECT_EQ(seen, 3);
}

TEST_F(AdminClientTest, CancelEndsAWatchOfAJobThatNeverEnds) {
  admin_.SetJob("tiny", v1::JOB_STATE_RUNNING);
  std::thread canceller;
  const absl::Status ended = client_->WatchJob([&](const run::JobView&) {
    if (!canceller.joinable()) {
      canceller = std::thread([&] { client_->Cancel(); });
    }
    return true;
  });
  canceller.join();
  EXPECT_TRUE(absl::IsCancelled(ended)) << ended;
  EXPECT_FALSE(client_->GetJob().ok()) << "and later calls, too";
}

TEST_F(AdminClientTest, ACoordinatorThatIsGoneIsNamedByItsAddress) {
  AdminOptions options = admin_.options();
  options.deadline = absl::Milliseconds(300);
  admin_.Stop();
  const absl::Status status = (*AdminClient::New(options))->GetJob().status();
  EXPECT_TRUE(absl::IsUnavailable(status) || absl::IsDeadlineExceeded(status))
      << status;
  EXPECT_THAT(std::string(status.message()), HasSubstr(admin_.address()));
}

TEST_F(AdminClientTest, HalfAKeyPairIsRefusedBeforeAnythingIsAsked) {
  AdminOptions options = admin_.options();
  options.tls_cert = "admin.pem";
  EXPECT_TRUE(absl::IsInvalidArgument(AdminClient::New(options).status()));
}

TEST(StopRequestTest, ARequestThatCannotArriveHasFailed) {
  FakeAdmin admin;  // It does not implement StopJob.
  const StopRequest request(admin.address());
  const absl::Time deadline = absl::Now() + absl::Seconds(20);
  while (!request.failed() && absl::Now() < deadline) {
    std::this_thread::yield();
  }
  EXPECT_TRUE(request.failed());
}

}  // namespace
}  // namespace aha::cli
