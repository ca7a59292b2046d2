#include "learner/waits.h"

#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "tests/learner/recording_cluster.h"

namespace aha::learner {
namespace {

using ::testing::ElementsAre;

TEST(WaitsTest, AWaitIsShownUntilItIsOver) {
  RecordingCluster cluster;
  Waits waits(&cluster, MonotonicClock(), nullptr);
  waits.During("groups", "groups of step 3", [&] {
    EXPECT_THAT(cluster.awaited, ElementsAre("groups of step 3"));
    return 0;
  });
  EXPECT_THAT(cluster.awaited, ElementsAre("groups of step 3", ""));
}

TEST(WaitsTest, TheResultOfTheWaitIsReturned) {
  RecordingCluster cluster;
  Waits waits(&cluster, MonotonicClock(), nullptr);
  EXPECT_EQ(waits.During("groups", "groups", [] { return 7; }), 7);
}

TEST(WaitsTest, ItsDurationIsMeasuredUnderItsName) {
  RecordingCluster cluster;
  absl::Time now = absl::UnixEpoch();
  std::string measured;
  Waits waits(
      &cluster, [&] { return now; },
      [&](const std::string& what, absl::Duration waited) {
        measured = absl::StrCat(what, " ", absl::FormatDuration(waited));
      });
  waits.During("rendezvous", "the others", [&] {
    now += absl::Seconds(2);
    return 0;
  });
  EXPECT_EQ(measured, "rendezvous 2s");
}

}  // namespace
}  // namespace aha::learner
