#include "reward_service/assembler.h"

#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "tests/reward_service/messages.h"

namespace aha::reward {
namespace {

using ::testing::ElementsAre;
using ::testing::IsEmpty;
using ::testing::Pair;
using ::testing::UnorderedElementsAre;

class AssemblerTest : public ::testing::Test {
 protected:
  void Open(StreamId stream, uint32_t slot, uint32_t generations) {
    ASSERT_TRUE(assembler_.Open(stream, Context(slot, generations), now_).ok());
  }
  Ticket Add(StreamId stream, uint32_t slot, uint32_t sample) {
    auto ticket = assembler_.Add(stream, GroupId::Of(Key(slot)),
                                 TrajectoryOf(sample), now_);
    EXPECT_TRUE(ticket.ok()) << ticket.status();
    EXPECT_TRUE(ticket->has_value());
    return **ticket;
  }
  static GroupId Id(uint32_t slot) { return GroupId::Of(Key(slot)); }

  absl::Time now_ = absl::UnixEpoch();
  Assembler assembler_{1 << 20};
};

TEST_F(AssemblerTest, AGroupIsWholeOnceEverySampleIsScoredInAnyOrder) {
  Open(1, 0, 2);
  const Ticket second = Add(1, 0, 1);
  const Ticket first = Add(1, 0, 0);
  EXPECT_FALSE(assembler_.SetScore(first, {.reward = 0.5, .parts = {}}));
  const auto whole = assembler_.SetScore(second, {.reward = 1, .parts = {}});
  ASSERT_TRUE(whole.has_value());
  const v1::ScoredGroup& group = whole->message->group();
  ASSERT_EQ(group.trajectories_size(), 2);
  EXPECT_EQ(group.trajectories(0).trajectory().sample(), 0u);
  EXPECT_EQ(group.trajectories(0).reward(), 0.5);
  EXPECT_EQ(group.trajectories(1).reward(), 1);
  EXPECT_EQ(group.context().prompt_id(), "p");
}

TEST_F(AssemblerTest, AnEqualDuplicateIsDroppedEvenWhenTheGroupIsWhole) {
  Open(1, 0, 1);
  const Ticket ticket = Add(1, 0, 0);
  auto again = assembler_.Add(1, Id(0), TrajectoryOf(0), now_);
  ASSERT_TRUE(again.ok());
  EXPECT_FALSE(again->has_value());
  ASSERT_TRUE(assembler_.SetScore(ticket, {}).has_value());
  again = assembler_.Add(1, Id(0), TrajectoryOf(0), now_);
  ASSERT_TRUE(again.ok()) << again.status();
  EXPECT_FALSE(again->has_value());
}

TEST_F(AssemblerTest, ADifferentDuplicateIsDataLossEvenWhenTheGroupIsWhole) {
  Open(1, 0, 1);
  const Ticket ticket = Add(1, 0, 0);
  EXPECT_TRUE(absl::IsDataLoss(
      assembler_.Add(1, Id(0), TrajectoryOf(0, "3"), now_).status()));
  ASSERT_TRUE(assembler_.SetScore(ticket, {}).has_value());
  EXPECT_TRUE(absl::IsDataLoss(
      assembler_.Add(1, Id(0), TrajectoryOf(0, "3"), now_).status()));
}

TEST_F(AssemblerTest, ACompletionComesWithAllThatIsKnownOfItsPrompt) {
  v1::GroupContext context = Context(0, 1);
  AddField(context, "level", "3");
  AddField(context, "tests", "[1]");
  ASSERT_TRUE(assembler_.Open(1, context, now_).ok());
  v1::Trajectory trajectory = TrajectoryOf(0, "3");
  trajectory.set_finish_reason(v1::FINISH_REASON_LENGTH);
  const auto ticket = assembler_.Add(1, Id(0), trajectory, now_);
  const std::optional<Completion> completion = assembler_.Get(**ticket);
  ASSERT_TRUE(completion.has_value());
  EXPECT_EQ(completion->prompt, "1+1=");
  EXPECT_EQ(completion->reference, "2");
  EXPECT_THAT(completion->fields,
              ElementsAre(Pair("level", "3"), Pair("tests", "[1]")));
  EXPECT_EQ(completion->text, "3");
  EXPECT_TRUE(completion->truncated);
}

TEST_F(AssemblerTest, VerifiersReadWhatTheTemplateOpenedBeforeTheCompletion) {
  v1::GroupContext context = Context(0, 1);
  context.set_opening("<think>\n");
  ASSERT_TRUE(assembler_.Open(1, context, now_).ok());
  const auto ticket =
      assembler_.Add(1, Id(0), TrajectoryOf(0, "1+1</think>"), now_);
  EXPECT_EQ(assembler_.Get(**ticket)->text, "<think>\n1+1</think>");
  const auto whole = assembler_.SetScore(**ticket, {});
  EXPECT_EQ(whole->message->group().trajectories(0).trajectory().completion(),
            "1+1</think>");
}

TEST_F(AssemblerTest, TwoAnnouncementsThatDifferAreDataLoss) {
  Open(1, 0, 2);
  v1::GroupContext other_fields = Context(0, 2);
  AddField(other_fields, "tests", "[1]");
  EXPECT_TRUE(
      absl::IsDataLoss(assembler_.Open(2, other_fields, now_).status()));
  EXPECT_TRUE(
      absl::IsDataLoss(assembler_.Open(2, Context(0, 3), now_).status()));
}

TEST_F(AssemblerTest, TrajectoriesOfAGroupNotOpenedOnTheStreamAreNotFound) {
  Open(1, 0, 2);
  EXPECT_TRUE(absl::IsNotFound(
      assembler_.Add(2, Id(0), TrajectoryOf(0), now_).status()));
  EXPECT_TRUE(absl::IsNotFound(
      assembler_.Add(1, Id(1), TrajectoryOf(0), now_).status()));
}

TEST_F(AssemblerTest, AGroupGrowingTooLargeIsRefused) {
  Assembler small(200);
  ASSERT_TRUE(small.Open(1, Context(0, 2), now_).ok());
  const absl::Status status =
      small.Add(1, Id(0), TrajectoryOf(0, std::string(300, 'x')), now_)
          .status();
  EXPECT_TRUE(absl::IsInvalidArgument(status)) << status;
}

TEST_F(AssemblerTest, AnotherStreamCompletesWhatABrokenOneBegan) {
  Open(1, 0, 2);
  const Ticket first = Add(1, 0, 0);
  assembler_.SetScore(first, {});
  assembler_.Disconnect(1);
  Open(2, 0, 2);
  const Ticket second = Add(2, 0, 1);
  EXPECT_TRUE(assembler_.SetScore(second, {}).has_value());
  EXPECT_THAT(assembler_.Forget(Id(0)), ElementsAre(2));
}

TEST_F(AssemblerTest, AWholeGroupWithANewConsumerIsDeliveredAgain) {
  Open(1, 0, 1);
  const auto whole =
      assembler_.SetScore(Add(1, 0, 0), {.reward = 1, .parts = {}});
  ASSERT_TRUE(whole.has_value());
  const auto moved = assembler_.Open(2, Context(0, 1, "consumer:2"), now_);
  ASSERT_TRUE(moved.ok() && moved->has_value());
  EXPECT_EQ((*moved)->message->group().context().consumer(), "consumer:2");
  EXPECT_EQ((*moved)->message->group().trajectories_size(), 1);
  EXPECT_FALSE(assembler_.Current(*whole));
  EXPECT_TRUE(assembler_.Current(**moved));
}

TEST_F(AssemblerTest, AScoreOfAForgottenGroupIsIgnored) {
  Open(1, 0, 1);
  const Ticket ticket = Add(1, 0, 0);
  assembler_.Forget(Id(0));
  Open(1, 0, 1);
  EXPECT_FALSE(assembler_.Get(ticket).has_value());
  EXPECT_FALSE(assembler_.SetScore(ticket, {}).has_value());
}

TEST_F(AssemblerTest, PartialGroupsWithoutNewTrajectoriesExpire) {
  constexpr absl::Duration kTtl = absl::Seconds(60);
  Open(1, 0, 2);
  Open(1, 1, 2);
  Open(2, 2, 2);
  Open(2, 3, 1);
  ASSERT_TRUE(assembler_.SetScore(Add(2, 3, 0), {}).has_value());
  assembler_.Disconnect(1);
  EXPECT_THAT(assembler_.Overdue(now_, kTtl), IsEmpty());
  now_ += absl::Seconds(31);
  Open(2, 1, 2);
  Add(2, 1, 0);
  now_ += absl::Seconds(30);
  // One is of a stream that has ended and one of a live stream; a whole group
  // never expires.
  EXPECT_THAT(assembler_.Overdue(now_, kTtl),
              UnorderedElementsAre(Id(0), Id(2)));
}

TEST_F(AssemblerTest, ExcessGivesUpOrphansFirstAndKeepsTheOldestServed) {
  for (uint32_t slot = 1; slot < 5; ++slot) Open(slot == 3 ? 9 : 1, slot, 2);
  assembler_.Disconnect(9);
  const uint64_t one = assembler_.bytes() / 4;
  EXPECT_THAT(assembler_.Excess(4 * one), IsEmpty());
  EXPECT_THAT(assembler_.Excess(4 * one - 1), ElementsAre(Id(3)));
  EXPECT_THAT(assembler_.Excess(1), ElementsAre(Id(3), Id(4), Id(2)));
}

TEST_F(AssemblerTest, BytesReturnToZeroWhenAllIsForgotten) {
  Open(1, 0, 2);
  Add(1, 0, 0);
  EXPECT_GT(assembler_.bytes(), 0u);
  assembler_.Forget(Id(0));
  EXPECT_EQ(assembler_.bytes(), 0u);
}

TEST_F(AssemblerTest, GroupsOfAnEarlierEpochAreFound) {
  Open(1, 0, 2);
  EXPECT_THAT(assembler_.OlderThanEpoch(7), IsEmpty());
  EXPECT_THAT(assembler_.OlderThanEpoch(8), UnorderedElementsAre(Id(0)));
}

}  // namespace
}  // namespace aha::reward
