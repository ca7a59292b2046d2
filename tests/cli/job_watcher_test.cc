#include "cli/client/job_watcher.h"

#include <thread>

#include "absl/time/clock.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "tests/cli/fake_admin.h"

namespace aha::cli {
namespace {

using ::testing::AllOf;
using ::testing::HasSubstr;

// Whether `done` comes true; it gives the stream a long time.
template <class Done>
bool ComesTrue(const Done& done) {
  const absl::Time deadline = absl::Now() + absl::Seconds(60);
  while (!done()) {
    if (absl::Now() > deadline) return false;
    std::this_thread::yield();
  }
  return true;
}

class JobWatcherTest : public ::testing::Test {
 protected:
  bool Shows(run::JobState state) const {
    return ComesTrue([&] {
      const auto latest = watcher_.Latest();
      return latest.has_value() && latest->state == state;
    });
  }
  FakeAdmin admin_;
  JobWatcher watcher_{admin_.options()};
};

TEST_F(JobWatcherTest, ItShowsTheLatestStatus) {
  EXPECT_FALSE(watcher_.Latest().has_value());
  admin_.SetJob("tiny", v1::JOB_STATE_PENDING);
  EXPECT_TRUE(Shows(run::JobState::kPending));
  admin_.SetJob("tiny", v1::JOB_STATE_RUNNING);
  EXPECT_TRUE(Shows(run::JobState::kRunning));
  EXPECT_EQ(watcher_.Latest()->name, "tiny");
  EXPECT_TRUE(watcher_.LostFor(absl::ZeroDuration()).ok());
}

TEST_F(JobWatcherTest, ACoordinatorThatIsGoneIsNamedAndItsLastWordKept) {
  admin_.SetJob("tiny", v1::JOB_STATE_RUNNING);
  ASSERT_TRUE(Shows(run::JobState::kRunning));
  admin_.Stop();
  EXPECT_TRUE(
      ComesTrue([&] { return !watcher_.LostFor(absl::ZeroDuration()).ok(); }));
  const absl::Status lost = watcher_.LostFor(absl::ZeroDuration());
  EXPECT_TRUE(absl::IsUnavailable(lost)) << lost;
  EXPECT_THAT(
      std::string(lost.message()),
      AllOf(HasSubstr("lost the coordinator at"), HasSubstr(admin_.address())));
  EXPECT_TRUE(watcher_.LostFor(absl::Hours(1)).ok()) << "not for so long";
  EXPECT_EQ(watcher_.Latest()->state, run::JobState::kRunning);
}

TEST_F(JobWatcherTest, TheEndOfAJobIsNoLoss) {
  admin_.SetJob("tiny", v1::JOB_STATE_SUCCEEDED);
  ASSERT_TRUE(Shows(run::JobState::kSucceeded));
  admin_.Stop();
  EXPECT_TRUE(watcher_.LostFor(absl::ZeroDuration()).ok());
}

TEST(JobWatcherEndTest, ItEndsWithoutEverHavingReachedAnyone) {
  AdminOptions options;
  options.address = "127.0.0.1:1";
  const JobWatcher watcher(options);
  EXPECT_FALSE(watcher.Latest().has_value());
}

}  // namespace
}  // namespace aha::cli
