#include "coordinator/ledger.h"

#include "gmock/gmock.h"
#include "gtest/gtest.h"

namespace aha::coordinator {
namespace {

using ::testing::ElementsAre;

constexpr uint64_t kActor = 1, kOther = 2;

class LedgerTest : public ::testing::Test {
 protected:
  LedgerOptions Options(uint64_t lag = 0) const {
    return {.first_step = 0,
            .steps = 3,
            .groups = 2,
            .lag = lag,
            .lease = absl::Seconds(30),
            .first_lease_id = 1};
  }
  Ledger Make(uint64_t lag = 0) {
    return Ledger(Options(lag), [this] { return now_; });
  }
  // "step/slot", or "" if nothing is pending.
  static std::string Where(const std::optional<LeasedGroup>& group) {
    if (!group.has_value()) return "";
    return std::to_string(group->step) + "/" + std::to_string(group->slot);
  }

  absl::Time now_ = absl::UnixEpoch();
};

TEST_F(LedgerTest, LeasesNothingBeforeTheWeightsAreVisible) {
  Ledger ledger = Make();
  EXPECT_EQ(Where(ledger.Lease(kActor)), "");
  ledger.MakeVisible(0);
  EXPECT_EQ(Where(ledger.Lease(kActor)), "0/0");
}

TEST_F(LedgerTest, HandsOutTheLowestSlotFirstAndEachOnce) {
  Ledger ledger = Make();
  ledger.MakeVisible(0);
  EXPECT_EQ(Where(ledger.Lease(kActor)), "0/0");
  EXPECT_EQ(Where(ledger.Lease(kOther)), "0/1");
  EXPECT_EQ(Where(ledger.Lease(kActor)), "");
}

TEST_F(LedgerTest, LeasesNoSlotAtOrAboveTheLimit) {
  Ledger ledger = Make();
  ledger.MakeVisible(0);
  EXPECT_EQ(Where(ledger.Lease(kActor, {.end_slot = 1})), "0/0");
  EXPECT_EQ(Where(ledger.Lease(kActor, {.end_slot = 1})), "");
  EXPECT_EQ(Where(ledger.Lease(kActor)), "0/1");
}

TEST_F(LedgerTest, LeasesNothingBeyondTheLastStep) {
  Ledger ledger = Make(/*lag=*/1);
  ledger.MakeVisible(0);
  ledger.Lease(kActor);
  ledger.Lease(kActor);
  EXPECT_EQ(Where(ledger.Lease(kActor, {.last_step = 0})), "");
  EXPECT_EQ(Where(ledger.Lease(kActor)), "1/0");
}

TEST_F(LedgerTest, WithoutLagTheNextStepWaitsForItsWeights) {
  Ledger ledger = Make();
  ledger.MakeVisible(0);
  ledger.Lease(kActor);
  ledger.Lease(kActor);
  ledger.Train(0);
  EXPECT_EQ(Where(ledger.Lease(kActor)), "");
  ledger.MakeVisible(1);
  EXPECT_EQ(Where(ledger.Lease(kActor)), "1/0");
}

TEST_F(LedgerTest, WithLagOneTheActorsRunOneStepAheadAndNoFurther) {
  Ledger ledger = Make(/*lag=*/1);
  ledger.MakeVisible(0);
  std::vector<std::string> seen;
  for (int i = 0; i < 5; ++i) seen.push_back(Where(ledger.Lease(kActor)));
  EXPECT_THAT(seen, ElementsAre("0/0", "0/1", "1/0", "1/1", ""));
  ledger.Train(0);
  EXPECT_EQ(Where(ledger.Lease(kActor)), "");
  ledger.MakeVisible(1);
  EXPECT_EQ(Where(ledger.Lease(kActor)), "2/0");
}

TEST_F(LedgerTest, AnExpiredLeaseGoesToTheNextCaller) {
  Ledger ledger = Make();
  ledger.MakeVisible(0);
  ledger.Lease(kActor);
  ledger.Lease(kActor);
  now_ += absl::Seconds(29);
  EXPECT_EQ(Where(ledger.Lease(kOther)), "");
  now_ += absl::Seconds(1);
  EXPECT_EQ(ledger.Expire(), 2u);
  EXPECT_EQ(Where(ledger.Lease(kOther)), "0/0");
}

TEST_F(LedgerTest, ALeaseThatAnotherCallTookBackIsCountedToo) {
  Ledger ledger = Make();
  ledger.MakeVisible(0);
  ledger.Lease(kActor);
  now_ += absl::Seconds(30);
  EXPECT_EQ(Where(ledger.Lease(kOther)), "0/0");
  EXPECT_EQ(ledger.Expire(), 1u);
  EXPECT_EQ(ledger.Expire(), 0u);
}

TEST_F(LedgerTest, ARenewedLeaseLivesOnAndALostOneIsNamed) {
  Ledger ledger = Make();
  ledger.MakeVisible(0);
  const auto first = ledger.Lease(kActor);
  const auto second = ledger.Lease(kActor);
  now_ += absl::Seconds(20);
  EXPECT_THAT(ledger.Renew(kActor, {first->lease_id, second->lease_id, 77}),
              ElementsAre(77));
  now_ += absl::Seconds(20);
  EXPECT_EQ(ledger.Expire(), 0u);
  EXPECT_THAT(ledger.Renew(kOther, {first->lease_id}),
              ElementsAre(first->lease_id));
}

TEST_F(LedgerTest, ALeaseThatItsHolderDoesNotKnowIsGivenBack) {
  Ledger ledger = Make();
  ledger.MakeVisible(0);
  ledger.Lease(kActor);  // The answer was lost.
  now_ += absl::Seconds(6);
  ledger.Renew(kActor, {});
  EXPECT_EQ(Where(ledger.Lease(kOther)), "0/0");
}

TEST_F(LedgerTest, ADeadMembersGroupsReturnAtOnce) {
  Ledger ledger = Make();
  ledger.MakeVisible(0);
  ledger.Lease(kActor);
  ledger.Lease(kOther);
  ledger.Return(kActor);
  EXPECT_EQ(ledger.HeldBy(kActor), 0u);
  EXPECT_EQ(ledger.HeldBy(kOther), 1u);
  EXPECT_EQ(Where(ledger.Lease(kOther)), "0/0");
}

TEST_F(LedgerTest, ALateCompletionWithdrawsTheGroupFromItsNewHolder) {
  Ledger ledger = Make();
  ledger.MakeVisible(0);
  const auto slow = ledger.Lease(kActor);
  now_ += absl::Seconds(31);
  const auto again = ledger.Lease(kOther);
  ASSERT_EQ(Where(again), "0/0");
  EXPECT_TRUE(ledger.Complete(slow->lease_id, 0, 0).ok());
  EXPECT_THAT(ledger.Renew(kOther, {again->lease_id}),
              ElementsAre(again->lease_id));
  EXPECT_EQ(ledger.Counts().delivered, 1u);
  EXPECT_EQ(Where(ledger.Lease(kOther)), "0/1");
}

TEST_F(LedgerTest, CompletionIsIdempotentAlsoAfterTheStepIsTrained) {
  Ledger ledger = Make();
  ledger.MakeVisible(0);
  const auto lease = ledger.Lease(kActor);
  EXPECT_TRUE(ledger.Complete(lease->lease_id, 0, 0).ok());
  EXPECT_TRUE(ledger.Complete(lease->lease_id, 0, 0).ok());
  ledger.Train(0);
  EXPECT_TRUE(ledger.Complete(lease->lease_id, 0, 0).ok());
}

TEST_F(LedgerTest, ALeaseCompletesNoOtherGroup) {
  Ledger ledger = Make();
  ledger.MakeVisible(0);
  const auto lease = ledger.Lease(kActor);
  EXPECT_TRUE(absl::IsInvalidArgument(ledger.Complete(lease->lease_id, 0, 1)));
  EXPECT_TRUE(absl::IsNotFound(ledger.Complete(999, 0, 1)));
  EXPECT_EQ(ledger.Counts().delivered, 0u);
}

TEST_F(LedgerTest, AStepMayBeTrainedBeforeItsLastCompletionArrives) {
  Ledger ledger = Make();
  ledger.MakeVisible(0);
  ledger.Lease(kActor);
  ledger.Lease(kActor);
  ledger.Train(0);
  ledger.MakeVisible(1);
  EXPECT_EQ(ledger.Counts().leased, 0u);
  EXPECT_EQ(ledger.Counts().pending, 2u);
}

TEST_F(LedgerTest, ALedgerThatFollowsUsesNoLeaseIdAgain) {
  Ledger ledger = Make();
  ledger.MakeVisible(0);
  const auto lease = ledger.Lease(kActor);
  LedgerOptions options = Options();
  options.first_lease_id = ledger.next_lease_id();
  Ledger next(options, [this] { return now_; });
  next.MakeVisible(0);
  EXPECT_GT(next.Lease(kActor)->lease_id, lease->lease_id);
}

}  // namespace
}  // namespace aha::coordinator
