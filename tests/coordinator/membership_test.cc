#include "coordinator/membership.h"

#include "gmock/gmock.h"
#include "gtest/gtest.h"

namespace aha::coordinator {
namespace {

using ::testing::AllOf;
using ::testing::HasSubstr;
using ::testing::SizeIs;

class MembershipTest : public ::testing::Test {
 protected:
  static v1::RegisterRequest Actor(const std::string& name,
                                   const std::string& incarnation) {
    v1::RegisterRequest request;
    request.set_role(v1::ROLE_ACTOR);
    request.set_name(name);
    request.set_incarnation(incarnation);
    return request;
  }
  static v1::RegisterRequest Learner(uint32_t rank) {
    v1::RegisterRequest request = Actor("learner-" + std::to_string(rank), "l");
    request.set_role(v1::ROLE_LEARNER);
    request.set_address("127.0.0.1:1");
    request.set_rank(rank);
    return request;
  }
  static v1::RegisterRequest Certified(v1::RegisterRequest request,
                                       const std::string& digest) {
    request.mutable_certificate()->set_digest(digest);
    request.mutable_certificate()->set_numeric_class("class of " + digest);
    return request;
  }

  absl::Time now_ = absl::UnixEpoch();
  Membership members_{{.epoch = 5,
                       .ttl = absl::Seconds(60),
                       .takeover = absl::Seconds(3),
                       .learners = 2},
                      [this] { return now_; }};
};

TEST_F(MembershipTest, RegisteringAgainIsTheSameMember) {
  const auto first = members_.Register(Actor("actor-0", "x"));
  ASSERT_TRUE(first.ok()) << first.status();
  const auto again = members_.Register(Certified(Actor("actor-0", "x"), "d"));
  ASSERT_TRUE(again.ok());
  EXPECT_EQ(again->id, first->id);
  EXPECT_TRUE(members_.Find(first->id)->certified());
}

TEST_F(MembershipTest, ANameThatLivesIsTaken) {
  ASSERT_TRUE(members_.Register(Actor("actor-0", "x")).ok());
  now_ += absl::Seconds(2);
  EXPECT_TRUE(
      absl::IsAlreadyExists(members_.Register(Actor("actor-0", "y")).status()));
}

TEST_F(MembershipTest, ASilentNameIsTakenOverLongBeforeItExpires) {
  const auto old = members_.Register(Actor("actor-0", "x"));
  now_ += absl::Seconds(3);
  const auto fresh = members_.Register(Actor("actor-0", "y"));
  ASSERT_TRUE(fresh.ok()) << fresh.status();
  ASSERT_THAT(fresh->replaced, SizeIs(1));
  EXPECT_EQ(fresh->replaced[0].id, old->id);
  EXPECT_TRUE(absl::IsNotFound(members_.Touch(old->id, 5).status()));
}

TEST_F(MembershipTest, ANameWhoseConnectionBrokeIsTakenOverAtOnce) {
  const auto old = members_.Register(Actor("actor-0", "x"));
  const auto stream = members_.Attend(old->id, 5);
  ASSERT_TRUE(stream.ok()) << stream.status();
  members_.Gone(old->id, *stream);
  const auto fresh = members_.Register(Actor("actor-0", "y"));
  ASSERT_TRUE(fresh.ok()) << fresh.status();
  EXPECT_THAT(fresh->replaced, SizeIs(1));
}

TEST_F(MembershipTest, OneThatIsHeardOfAfterItsConnectionBrokeKeepsItsName) {
  const auto old = members_.Register(Actor("actor-0", "x"));
  const auto stream = members_.Attend(old->id, 5);
  members_.Gone(old->id, *stream);
  ASSERT_TRUE(members_.Touch(old->id, 5).ok());
  const absl::Status refused =
      members_.Register(Actor("actor-0", "y")).status();
  EXPECT_TRUE(absl::IsAlreadyExists(refused));
  EXPECT_THAT(std::string(refused.message()),
              AllOf(HasSubstr("its connection has ended"), HasSubstr("3s")));
}

TEST_F(MembershipTest, TheEndOfAnEarlierConnectionSaysNothingOfTheLatest) {
  const auto member = members_.Register(Actor("actor-0", "x"));
  const auto first = members_.Attend(member->id, 5);
  ASSERT_TRUE(members_.Attend(member->id, 5).ok());
  members_.Gone(member->id, *first);
  EXPECT_TRUE(
      absl::IsAlreadyExists(members_.Register(Actor("actor-0", "y")).status()));
}

TEST_F(MembershipTest, ABrokenConnectionEndsAnActorSoonAndALearnerNot) {
  const auto actor = members_.Register(Actor("actor-0", "x"));
  const auto learner = members_.Register(Learner(0));
  members_.Gone(actor->id, *members_.Attend(actor->id, 5));
  members_.Gone(learner->id, *members_.Attend(learner->id, 5));
  now_ += absl::Seconds(3);
  const auto dead = members_.Expire();
  ASSERT_THAT(dead, SizeIs(1));
  EXPECT_EQ(dead[0].id, actor->id);
}

TEST_F(MembershipTest, AMemberExpiresUnlessItIsTouched) {
  const auto a = members_.Register(Actor("actor-0", "x"));
  const auto b = members_.Register(Actor("actor-1", "x"));
  now_ += absl::Seconds(40);
  ASSERT_TRUE(members_.Touch(a->id, 5).ok());
  now_ += absl::Seconds(20);
  const auto dead = members_.Expire();
  ASSERT_THAT(dead, SizeIs(1));
  EXPECT_EQ(dead[0].id, b->id);
}

TEST_F(MembershipTest, AnotherEpochIsFencedOff) {
  const auto member = members_.Register(Actor("actor-0", "x"));
  EXPECT_TRUE(
      absl::IsFailedPrecondition(members_.Touch(member->id, 4).status()));
}

TEST_F(MembershipTest, AnotherNumericClassIsRefusedNamingBoth) {
  ASSERT_TRUE(members_.Register(Certified(Learner(0), "a")).ok());
  const auto odd = members_.Register(Certified(Actor("actor-0", "x"), "b"));
  EXPECT_TRUE(absl::IsFailedPrecondition(odd.status()));
  EXPECT_THAT(std::string(odd.status().message()),
              AllOf(HasSubstr("class of a"), HasSubstr("class of b")));
  EXPECT_TRUE(members_.Register(Certified(Actor("actor-0", "x"), "a")).ok());
}

TEST_F(MembershipTest, AFileWithOtherContentIsRefusedNamingItAndBothSides) {
  const auto reading = [](v1::RegisterRequest request,
                          const std::string& content) {
    (*request.mutable_certificate()->mutable_inputs())["model.path/a.json"] =
        content;
    return request;
  };
  ASSERT_TRUE(
      members_.Register(reading(Certified(Learner(0), "a"), "1 bytes")).ok());
  const absl::Status odd =
      members_
          .Register(reading(Certified(Actor("actor-0", "x"), "a"), "2 bytes"))
          .status();
  EXPECT_TRUE(absl::IsFailedPrecondition(odd));
  EXPECT_THAT(std::string(odd.message()),
              AllOf(HasSubstr("model.path/a.json"), HasSubstr("learner-0"),
                    HasSubstr("1 bytes"), HasSubstr("2 bytes")));
  // A member that does not read it has nothing to compare.
  EXPECT_TRUE(members_.Register(Certified(Actor("actor-0", "x"), "a")).ok());
}

TEST_F(MembershipTest, RewardReplicasWithDifferentProgramsAreNoFleet) {
  const auto reward = [](const std::string& name, const std::string& content) {
    v1::RegisterRequest request;
    request.set_role(v1::ROLE_REWARD);
    request.set_name(name);
    request.set_incarnation("i");
    request.set_address(name + ":1");
    (*request.mutable_certificate()->mutable_inputs())["rewards[0].command"] =
        content;
    return request;
  };
  ASSERT_TRUE(members_.Register(reward("reward-0", "1 bytes")).ok());
  const absl::Status odd =
      members_.Register(reward("reward-1", "2 bytes")).status();
  EXPECT_TRUE(absl::IsFailedPrecondition(odd)) << odd;
  EXPECT_THAT(std::string(odd.message()),
              AllOf(HasSubstr("rewards[0].command"), HasSubstr("reward-0")));
  EXPECT_TRUE(members_.Register(reward("reward-1", "1 bytes")).ok());
  EXPECT_TRUE(members_.Register(Certified(Learner(0), "a")).ok());
}

TEST_F(MembershipTest, TwoLearnersCannotHaveOneRank) {
  ASSERT_TRUE(members_.Register(Learner(0)).ok());
  v1::RegisterRequest other = Learner(0);
  other.set_name("learner-x");
  EXPECT_TRUE(absl::IsAlreadyExists(members_.Register(other).status()));
}

TEST_F(MembershipTest, ALearnerReplacesBothTheDeadOfItsNameAndOfItsRank) {
  ASSERT_TRUE(members_.Register(Learner(0)).ok());
  ASSERT_TRUE(members_.Register(Learner(1)).ok());
  now_ += absl::Seconds(3);
  v1::RegisterRequest moved = Learner(1);
  moved.set_name("learner-0");
  moved.set_incarnation("new");
  const auto joined = members_.Register(moved);
  ASSERT_TRUE(joined.ok()) << joined.status();
  EXPECT_THAT(joined->replaced, SizeIs(2));
  EXPECT_THAT(members_.All(), SizeIs(1));
}

TEST_F(MembershipTest, ALearnerCountsOnceItHasACertificate) {
  ASSERT_TRUE(members_.Register(Learner(1)).ok());
  EXPECT_EQ(members_.Learner(1), nullptr);
  ASSERT_TRUE(members_.Register(Certified(Learner(1), "a")).ok());
  EXPECT_NE(members_.Learner(1), nullptr);
}

TEST_F(MembershipTest, MalformedRegistrationsNameTheField) {
  const auto error = [&](const v1::RegisterRequest& request) {
    const auto joined = members_.Register(request);
    EXPECT_TRUE(absl::IsInvalidArgument(joined.status()));
    return std::string(joined.status().message());
  };
  EXPECT_THAT(error({}), HasSubstr("role"));
  EXPECT_THAT(error(Actor("", "x")), HasSubstr("name"));
  EXPECT_THAT(error(Actor("two\nlines", "x")), HasSubstr("name"));
  EXPECT_THAT(error(Actor("a", "")), HasSubstr("incarnation"));
  EXPECT_THAT(error(Learner(2)), HasSubstr("rank"));
  v1::RegisterRequest nowhere = Learner(0);
  nowhere.clear_address();
  EXPECT_THAT(error(nowhere), HasSubstr("address"));
  nowhere.set_address("no port");
  EXPECT_THAT(error(nowhere), HasSubstr("host:port"));
}

}  // namespace
}  // namespace aha::coordinator
