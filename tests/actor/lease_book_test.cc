#include "actor/lease_book.h"

#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "tests/reward_service/messages.h"

namespace aha::actor {
namespace {

using reward::Context;
using ::testing::ElementsAre;
using ::testing::IsEmpty;

class LeaseBookTest : public ::testing::Test {
 protected:
  uint64_t Add(uint64_t lease, uint32_t slot,
               const std::string& replica = "a:1") {
    return book_.Add(lease, Context(slot, 2), replica).ticket;
  }
  static GroupId Id(uint32_t slot) { return GroupId::Of(reward::Key(slot)); }
  // Returns what may be sent now: "open 0", "sample 1 of 0", ...
  std::vector<std::string> Drain(const std::string& replica = "a:1") {
    std::vector<std::string> sent;
    while (const auto request =
               book_.Next(replica, absl::ZeroDuration(), book_.wakes())) {
      if (request->has_open()) {
        sent.push_back(absl::StrCat("open ", request->open().key().slot()));
      } else {
        sent.push_back(
            absl::StrCat("sample ", request->trajectory().trajectory().sample(),
                         " of ", request->trajectory().key().slot()));
      }
    }
    return sent;
  }

  absl::Time now_ = absl::UnixEpoch();
  LeaseBook book_{[this] { return now_; }};
};

TEST_F(LeaseBookTest, AGroupIsOpenedAndEachTrajectorySentOnce) {
  const uint64_t ticket = Add(11, 0);
  EXPECT_THAT(Drain(), ElementsAre("open 0"));
  EXPECT_TRUE(book_.AddTrajectory(ticket, reward::TrajectoryOf(1)));
  EXPECT_TRUE(book_.AddTrajectory(ticket, reward::TrajectoryOf(0)));
  EXPECT_THAT(Drain(), ElementsAre("sample 1 of 0", "sample 0 of 0"));
  EXPECT_THAT(Drain(), IsEmpty());
}

TEST_F(LeaseBookTest, ABrokenReplicasGroupsAreSentAgainToALiveOne) {
  const uint64_t ticket = Add(11, 0);
  Add(12, 1, "b:1");
  book_.AddTrajectory(ticket, reward::TrajectoryOf(0));
  Drain();
  book_.Resend("a:1", {"a:1", "b:1"});
  EXPECT_THAT(Drain("a:1"), IsEmpty());
  EXPECT_THAT(Drain("b:1"), ElementsAre("open 0", "sample 0 of 0", "open 1"));
}

TEST_F(LeaseBookTest, WithoutAnotherReplicaTheSameOneIsTriedAgain) {
  Add(11, 0);
  Drain();
  book_.Resend("a:1", {"a:1"});
  EXPECT_THAT(Drain(), ElementsAre("open 0"));
  book_.Resend("a:1", {});
  EXPECT_THAT(Drain(), ElementsAre("open 0"));
}

TEST_F(LeaseBookTest, AnAcknowledgedGroupIsHeldButNeverSentAgain) {
  const uint64_t ticket = Add(11, 0);
  book_.AddTrajectory(ticket, reward::TrajectoryOf(0));
  Drain();
  book_.Acknowledge(Id(0));
  EXPECT_EQ(book_.unacknowledged_bytes(), 0u);
  book_.Resend("a:1", {});
  EXPECT_THAT(Drain(), IsEmpty());
  EXPECT_THAT(book_.leases(), ElementsAre(11));
  EXPECT_EQ(book_.Drop(11), ticket);
  EXPECT_TRUE(book_.empty());
}

TEST_F(LeaseBookTest, AGroupThatCouldNotBeTakenIsSentAgainLater) {
  Add(11, 0);
  Drain();
  book_.ResendLater(Id(0), "a:1", "a:1", absl::Seconds(2));
  EXPECT_THAT(Drain(), IsEmpty());
  EXPECT_EQ(book_.attempts(Id(0)).count, 1);
  now_ += absl::Seconds(7);
  EXPECT_EQ(book_.attempts(Id(0)).since, absl::Seconds(7));
  now_ += absl::Seconds(3);
  EXPECT_THAT(Drain(), ElementsAre("open 0"));
}

TEST_F(LeaseBookTest, ALateAnswerOfAnEarlierReplicaChangesNothing) {
  Add(11, 0);
  Drain();
  book_.Resend("a:1", {"b:1"});
  book_.ResendLater(Id(0), "a:1", "a:1", absl::Seconds(2));
  EXPECT_THAT(Drain("b:1"), ElementsAre("open 0"));
}

TEST_F(LeaseBookTest, ADroppedGroupTakesNoMoreTrajectories) {
  const uint64_t ticket = Add(11, 0);
  book_.AddTrajectory(ticket, reward::TrajectoryOf(0));
  EXPECT_GT(book_.unacknowledged_bytes(), 0u);
  book_.Drop(11);
  EXPECT_FALSE(book_.AddTrajectory(ticket, reward::TrajectoryOf(1)));
  EXPECT_EQ(book_.unacknowledged_bytes(), 0u);
  EXPECT_FALSE(book_.Drop(11).has_value());
}

TEST_F(LeaseBookTest, ALeaseIdThatRepeatsInANewEpochGetsANewTicket) {
  const uint64_t before = Add(1, 0);
  book_.Clear();
  const uint64_t after = Add(1, 5);
  EXPECT_NE(before, after);
  // The engine still worked on the group of the old epoch.
  EXPECT_FALSE(book_.AddTrajectory(before, reward::TrajectoryOf(0)));
}

TEST_F(LeaseBookTest, ALaterLeaseOfAGroupReplacesTheEarlierOne) {
  const uint64_t before = Add(1, 0);
  const LeaseBook::Added added = book_.Add(2, Context(0, 2), "b:1");
  EXPECT_EQ(added.replaced, before);
  EXPECT_THAT(book_.leases(), ElementsAre(2));
  EXPECT_EQ(book_.LeaseOf(Id(0)), 2u);
  EXPECT_THAT(book_.ReplicasWithWork(), ElementsAre("b:1"));
}

TEST_F(LeaseBookTest, AWakeThatCameBeforeTheWaitIsNotLost) {
  const uint64_t seen = book_.wakes();
  book_.Wake();
  EXPECT_FALSE(book_.Next("a:1", absl::Hours(1), seen).has_value());
}

}  // namespace
}  // namespace aha::actor
