// A rank set on its own: who may join it, and what ends the waits in it.
#include "learner/rank_set.h"

#include <thread>

#include "comm/local.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"

namespace aha::learner {
namespace {

using ::testing::HasSubstr;

v1::NextStageResponse SetOf(int ranks, uint64_t epoch) {
  v1::NextStageResponse next;
  for (int rank = 0; rank < ranks; ++rank) {
    next.add_learner_addresses(absl::StrCat("host:", rank));
  }
  next.set_group_epoch(epoch);
  return next;
}

std::map<uint32_t, std::string> Living(std::vector<uint32_t> ranks) {
  std::map<uint32_t, std::string> living;
  for (const uint32_t rank : ranks) living[rank] = absl::StrCat("host:", rank);
  return living;
}

// Rank 0 of two; rank 1 is in the local set but never makes a call.
class RankSetTest : public testing::Test {
 protected:
  static constexpr absl::Duration kPatience = absl::Milliseconds(1);

  absl::StatusOr<std::unique_ptr<comm::Communicator>> Connect() {
    ++connected_;
    if (!refusal_.ok()) return refusal_;
    auto ranks = comm::NewLocalRanks(2, absl::Minutes(10));
    if (!ranks.ok()) return ranks.status();
    others_.push_back(std::move((*ranks)[1]));
    return std::move((*ranks)[0]);
  }

  absl::Status Join(uint64_t epoch = 1) {
    return set_.Join(7, SetOf(2, epoch));
  }

  // Waits for rank 1 until something ends the wait.
  std::thread WaitForTheOther(absl::Status* result) {
    return std::thread(
        [this, result] { *result = set_.comm().Barrier("test"); });
  }
  void AwaitTheWait() {
    while (set_.comm().waiting() == absl::ZeroDuration()) {
      std::this_thread::yield();
    }
  }

  absl::Time now_ = absl::UnixEpoch();
  int connected_ = 0;
  absl::Status refusal_;  // What Connect returns, if it is an error.
  std::vector<std::unique_ptr<comm::Communicator>> others_;
  RankSet set_{0, kPatience, [this] { return now_; },
               [this](const v1::NextStageResponse&) { return Connect(); }};
};

TEST_F(RankSetTest, ARankOutsideOfASetIsAlone) {
  EXPECT_EQ(set_.size(), 1);
  EXPECT_FALSE(set_.joined());
  EXPECT_FALSE(set_.broken());
}

TEST_F(RankSetTest, ARankStaysInAWholeSetThatIsOfferedAgain) {
  ASSERT_TRUE(Join().ok());
  ASSERT_TRUE(Join().ok());
  EXPECT_EQ(connected_, 1);
  EXPECT_EQ(set_.size(), 2);
}

TEST_F(RankSetTest, AnotherEpochIsAnotherSet) {
  ASSERT_TRUE(Join(1).ok());
  ASSERT_TRUE(Join(2).ok());
  EXPECT_EQ(connected_, 2);
}

TEST_F(RankSetTest, AnotherCoordinatorsSetOfTheSameEpochIsAnotherSet) {
  ASSERT_TRUE(set_.Join(7, SetOf(2, 1)).ok());
  ASSERT_TRUE(set_.Join(8, SetOf(2, 1)).ok());
  EXPECT_EQ(connected_, 2);
}

TEST_F(RankSetTest, ARankThatIsNoneOfTheSetIsRefused) {
  RankSet third(2, kPatience, MonotonicClock(), nullptr);
  const absl::Status status = third.Join(7, SetOf(2, 1));
  EXPECT_TRUE(absl::IsFailedPrecondition(status));
  EXPECT_EQ(status.message(),
            "rank must be below the number of learners (2), is 2");
}

TEST_F(RankSetTest, ASetWhoseRanksDoNotComeIsVoid) {
  for (const auto& error :
       {absl::UnavailableError("a"), absl::DeadlineExceededError("b")}) {
    refusal_ = error;
    EXPECT_TRUE(absl::IsAborted(Join())) << error;
    EXPECT_EQ(set_.size(), 1);
  }
}

TEST_F(RankSetTest, AnyOtherErrorOfConnectingIsAFailure) {
  refusal_ = absl::InvalidArgumentError("no such device");
  EXPECT_EQ(Join(), refusal_);
}

TEST_F(RankSetTest, ABrokenSetIsNotJoinedAgainButTheNextOneIs) {
  ASSERT_TRUE(Join(1).ok());
  set_.comm().Abort(absl::InternalError("lost"));
  EXPECT_TRUE(set_.broken());
  set_.LeaveBroken();
  const absl::Status again = Join(1);
  EXPECT_TRUE(absl::IsUnavailable(again));
  EXPECT_THAT(std::string(again.message()),
              HasSubstr("rank set 1 broke and was offered again"));
  EXPECT_TRUE(Join(2).ok());
}

TEST_F(RankSetTest, InterruptEndsTheWaitForTheNextStep) {
  ASSERT_TRUE(Join().ok());
  absl::Status result;
  {
    const RankSet::Scope wait(&set_, RankSet::Activity::kNextStepWait);
    std::thread waiting = WaitForTheOther(&result);
    AwaitTheWait();
    set_.Interrupt();
    waiting.join();
  }
  EXPECT_TRUE(absl::IsAborted(result)) << result;
}

TEST_F(RankSetTest, InterruptDoesNotDisturbAStep) {
  ASSERT_TRUE(Join().ok());
  { const RankSet::Scope over(&set_, RankSet::Activity::kNextStepWait); }
  set_.Interrupt();
  EXPECT_FALSE(set_.broken());
}

TEST_F(RankSetTest, InterruptOutsideOfASetDoesNothing) {
  const RankSet::Scope wait(&set_, RankSet::Activity::kNextStepWait);
  set_.Interrupt();
  EXPECT_FALSE(set_.broken());
}

TEST_F(RankSetTest, ARankThatIsTwiceMissingIsLost) {
  ASSERT_TRUE(Join().ok());
  EXPECT_FALSE(set_.OnLivingLearners(Living({0})));
  EXPECT_FALSE(set_.broken());
  EXPECT_TRUE(set_.OnLivingLearners(Living({0})));
  EXPECT_TRUE(absl::IsAborted(set_.comm().status()));
}

TEST_F(RankSetTest, ARankThatIsSeenInBetweenIsNotLost) {
  ASSERT_TRUE(Join().ok());
  EXPECT_FALSE(set_.OnLivingLearners(Living({0})));
  EXPECT_FALSE(set_.OnLivingLearners(Living({0, 1})));
  EXPECT_FALSE(set_.OnLivingLearners(Living({0})));
  EXPECT_FALSE(set_.broken());
}

TEST_F(RankSetTest, ARankThatCameBackElsewhereIsLost) {
  ASSERT_TRUE(Join().ok());
  const std::map<uint32_t, std::string> moved{{0, "host:0"}, {1, "host:9"}};
  EXPECT_FALSE(set_.OnLivingLearners(moved));
  EXPECT_TRUE(set_.OnLivingLearners(moved));
}

TEST_F(RankSetTest, OutsideOfASetNoRankCanBeLost) {
  EXPECT_FALSE(set_.OnLivingLearners({}));
  EXPECT_FALSE(set_.OnLivingLearners({}));
}

TEST_F(RankSetTest, AfterStopAWaitEndsWithThePatience) {
  ASSERT_TRUE(Join().ok());
  absl::Status result;
  std::thread waiting = WaitForTheOther(&result);
  while (set_.comm().waiting() < kPatience) std::this_thread::yield();
  set_.OnLivingLearners(Living({0, 1}));
  EXPECT_FALSE(set_.broken()) << "it is not stopped yet";
  set_.Stop();
  EXPECT_TRUE(set_.stopping());
  set_.OnLivingLearners(Living({0, 1}));
  EXPECT_FALSE(set_.broken()) << "it has just been stopped";
  now_ += kPatience;
  set_.OnLivingLearners(Living({0, 1}));
  waiting.join();
  EXPECT_TRUE(absl::IsAborted(result)) << result;
}

TEST_F(RankSetTest, TheWaitForACheckpointHasNoPatience) {
  ASSERT_TRUE(Join().ok());
  absl::Status result;
  std::thread waiting = WaitForTheOther(&result);
  while (set_.comm().waiting() < kPatience) std::this_thread::yield();
  set_.Stop();
  now_ += kPatience;
  {
    const RankSet::Scope writing(&set_, RankSet::Activity::kCheckpointWrite);
    set_.OnLivingLearners(Living({0, 1}));
    EXPECT_FALSE(set_.broken());
  }
  set_.OnLivingLearners(Living({0, 1}));
  waiting.join();
  EXPECT_TRUE(absl::IsAborted(result)) << result;
}

}  // namespace
}  // namespace aha::learner
