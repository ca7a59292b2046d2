#include "coordinator/poller.h"

#include <vector>

#include "absl/time/time.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"

namespace aha::coordinator {
namespace {

using ::testing::ElementsAre;

TEST(PollerTest, StopAnswersParkedAndLaterCalls) {
  std::vector<Attempt> waited;
  std::vector<Attempt> late;
  Poller poller(absl::Seconds(100), [](bool) {});
  const auto note = [](std::vector<Attempt>& seen) {
    return [&seen](Attempt which) {
      if (which == Attempt::kMore) return false;
      seen.push_back(which);
      return true;
    };
  };
  poller.Park(absl::Seconds(100), note(waited));
  poller.Stop();
  EXPECT_THAT(waited, ElementsAre(Attempt::kStopping));
  poller.Park(absl::Seconds(100), note(late));
  EXPECT_THAT(late, ElementsAre(Attempt::kStopping));
}

}  // namespace
}  // namespace aha::coordinator
