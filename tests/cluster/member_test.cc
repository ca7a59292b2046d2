#include "cluster/member.h"

#include <atomic>
#include <functional>
#include <string>
#include <thread>

#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "tests/actor/fake_coordinator.h"

namespace aha::rpc {
namespace {

using actor::FakeCoordinator;
using ::testing::AllOf;
using ::testing::ElementsAre;
using ::testing::HasSubstr;
using World = FakeCoordinator::World;

class MemberTest : public ::testing::Test {
 protected:
  MemberTest() {
    coordinator_.Change([](World& world) {
      world.job.set_name("tiny");
      world.job.mutable_cluster()->set_wait_seconds(30);
    });
    member_ = *Member::New({.role = v1::ROLE_ACTOR,
                            .name = "actor-0",
                            .coordinator = coordinator_.address()});
  }

  FakeCoordinator coordinator_;
  std::unique_ptr<Member> member_;
};

TEST_F(MemberTest, JoinsBeatsAndLeaves) {
  ASSERT_TRUE(member_->Join(absl::Seconds(30)).ok());
  EXPECT_EQ(member_->identity().epoch, 7u);
  EXPECT_EQ(member_->job().name(), "tiny");
  member_->Serve({.state = [] {
    return MemberState{
        .lease_ids = {3, 4}, .waiting_for = "weights", .tokens_per_second = 12};
  }});
  coordinator_.Await([](const World& w) {
    return !w.heartbeats.empty() && w.heartbeats.back().lease_ids_size() == 2;
  });
  const v1::HeartbeatRequest beat = coordinator_.Get().heartbeats.back();
  EXPECT_THAT(beat.lease_ids(), ElementsAre(3, 4));
  EXPECT_EQ(beat.waiting_for(), "weights");
  EXPECT_EQ(beat.tokens_per_second(), 12);
  member_->Leave();
  EXPECT_EQ(coordinator_.Get().left, 1);
  member_->Leave();
  EXPECT_EQ(coordinator_.Get().left, 1);
}

TEST_F(MemberTest, TheCertificateFollowsOnceTheJobIsKnown) {
  std::string job;
  ASSERT_TRUE(member_
                  ->Join(absl::Seconds(30),
                         [&](const v1::RegisterResponse& response) {
                           job = response.job().name();
                           v1::Certificate certificate;
                           certificate.set_digest("abc");
                           return certificate;
                         })
                  .ok());
  EXPECT_EQ(job, "tiny");
  const World world = coordinator_.Get();
  ASSERT_EQ(world.registered.size(), 2u);
  EXPECT_FALSE(world.registered[0].has_certificate());
  EXPECT_EQ(world.registered[1].certificate().digest(), "abc");
  EXPECT_EQ(world.registered[0].incarnation(),
            world.registered[1].incarnation());
}

TEST_F(MemberTest, SendsHeartbeatsWhileItComputesItsCertificate) {
  const auto certify =
      [&](const v1::RegisterResponse&) -> absl::StatusOr<v1::Certificate> {
    coordinator_.Await([](const World& w) { return w.heartbeats.size() >= 2; });
    return v1::Certificate();
  };
  ASSERT_TRUE(member_->Join(absl::Seconds(30), certify).ok());
  EXPECT_EQ(coordinator_.Get().heartbeats[0].waiting_for(),
            "its own certificate");
}

TEST_F(MemberTest, WaitsForACoordinatorThatIsNotReady) {
  coordinator_.Change([](World& world) {
    world.register_answers = {
        {grpc::StatusCode::UNAVAILABLE, "starting"},
        {grpc::StatusCode::ALREADY_EXISTS, "the name is alive"}};
  });
  EXPECT_TRUE(member_->Join(absl::Seconds(30)).ok());
  EXPECT_EQ(coordinator_.Get().registered.size(), 3u);
}

TEST_F(MemberTest, ARefusalIsFinal) {
  coordinator_.Change([](World& world) {
    world.register_answers = {
        {grpc::StatusCode::FAILED_PRECONDITION, "certificate differs"}};
  });
  const absl::Status status = member_->Join(absl::Seconds(30));
  EXPECT_TRUE(absl::IsFailedPrecondition(status)) << status;
  EXPECT_THAT(std::string(status.message()), HasSubstr("certificate differs"));
}

TEST_F(MemberTest, NamesTheCoordinatorWhenTheDeadlinePasses) {
  coordinator_.Change([](World& world) {
    world.register_answers.assign(100,
                                  {grpc::StatusCode::UNAVAILABLE, "starting"});
  });
  const absl::Status status = member_->Join(absl::Milliseconds(120));
  EXPECT_TRUE(absl::IsDeadlineExceeded(status)) << status;
  EXPECT_THAT(std::string(status.message()), HasSubstr(coordinator_.address()));
}

TEST_F(MemberTest, InterruptEndsAWaitingJoin) {
  coordinator_.Change([](World& world) {
    world.register_answers.assign(10'000,
                                  {grpc::StatusCode::UNAVAILABLE, "starting"});
  });
  std::thread joiner(
      [&] { EXPECT_TRUE(absl::IsCancelled(member_->Join(absl::Minutes(5)))); });
  coordinator_.Await([](const World& w) { return !w.registered.empty(); });
  member_->Interrupt();
  joiner.join();
}

TEST_F(MemberTest, RejoinsARestartedCoordinator) {
  ASSERT_TRUE(member_->Join(absl::Seconds(30)).ok());
  std::atomic<uint64_t> rejoined = 0;
  member_->Serve({.rejoined = [&](const v1::RegisterResponse& response) {
    rejoined = response.epoch();
  }});
  coordinator_.Change([](World& world) { world.epoch = 8; });
  coordinator_.Await([](const World& w) {
    return !w.heartbeats.empty() && w.heartbeats.back().epoch() == 8;
  });
  EXPECT_EQ(rejoined, 8u);
  EXPECT_EQ(member_->identity().epoch, 8u);
}

TEST_F(MemberTest, RejoinsOnceForEachIdentity) {
  ASSERT_TRUE(member_->Join(absl::Seconds(30)).ok());
  const MemberIdentity seen = member_->identity();
  member_->Rejoin(seen);
  coordinator_.Await([](const World& w) { return w.registered.size() == 2; });
  coordinator_.Await([](const World& w) {
    return !w.heartbeats.empty() &&
           w.heartbeats.back().member_id() == w.member_id;
  });
  member_->Rejoin(seen);  // This call is late: the member has rejoined already.
  const size_t beats = coordinator_.Get().heartbeats.size();
  coordinator_.Await(
      [=](const World& w) { return w.heartbeats.size() > beats + 2; });
  EXPECT_EQ(coordinator_.Get().registered.size(), 2u);
}

TEST_F(MemberTest, DirectivesPeersAndLostLeasesArrive) {
  Mutex mutex;
  CondVar changed;
  std::vector<uint64_t> lost;
  std::vector<v1::Directive> directives;
  coordinator_.Change([](World& world) {
    world.directive = v1::DIRECTIVE_DRAIN;
    world.peers.emplace_back().set_address("10.0.0.1:5");
  });
  ASSERT_TRUE(member_->Join(absl::Seconds(30)).ok());
  coordinator_.Await([](const World& w) { return w.heartbeats.size() > 1; });
  member_->Serve({.directive =
                      [&](v1::Directive directive) {
                        MutexLock lock(mutex);
                        directives.push_back(directive);
                        changed.NotifyAll();
                      },
                  .lost_leases =
                      [&](const std::vector<uint64_t>& ids) {
                        MutexLock lock(mutex);
                        lost = ids;
                        changed.NotifyAll();
                      }});
  coordinator_.Change([](World& world) { world.lose = {9}; });
  {
    MutexLock lock(mutex);
    while (directives.empty() || lost.empty()) changed.Wait(mutex);
    EXPECT_THAT(directives, ElementsAre(v1::DIRECTIVE_DRAIN));
    EXPECT_THAT(lost, ElementsAre(9));
  }
  ASSERT_EQ(member_->peers().size(), 1u);
  EXPECT_EQ(member_->peers()[0].address(), "10.0.0.1:5");
  member_->Stop();
}

TEST_F(MemberTest, FailuresAreReported) {
  ASSERT_TRUE(member_->Join(absl::Seconds(30)).ok());
  EXPECT_TRUE(member_->Report(/*fatal=*/true, "NaN").ok());
  EXPECT_EQ(coordinator_.Get().problems[0].message(), "NaN");
  EXPECT_TRUE(coordinator_.Get().problems[0].fatal());
}

// A membership may end although the member did not leave.
class LostMemberTest : public MemberTest {
 protected:
  void JoinAndServe() {
    ASSERT_TRUE(member_->Join(absl::Seconds(30)).ok());
    member_->Serve({.failed = [this](const absl::Status& status) {
      MutexLock lock(mutex_);
      failure_ = status;
      changed_.NotifyAll();
    }});
  }
  absl::Status Failure() {
    MutexLock lock(mutex_);
    while (failure_.ok()) changed_.Wait(mutex_);
    return failure_;
  }

  Mutex mutex_;
  CondVar changed_;
  absl::Status failure_ ABSL_GUARDED_BY(mutex_);
};

TEST_F(LostMemberTest, ACoordinatorWithAnotherJobEndsItAndBothAreNamed) {
  JoinAndServe();
  coordinator_.Change([](World& world) {
    world.job.set_name("other");
    world.epoch = 8;
  });
  const absl::Status failure = Failure();
  EXPECT_TRUE(absl::IsAborted(failure)) << failure;
  EXPECT_THAT(
      std::string(failure.message()),
      AllOf(HasSubstr("another job now, other"), HasSubstr("began with tiny"),
            HasSubstr(coordinator_.address())));
}

// Its settings for the cluster do not change a job's result.
TEST_F(LostMemberTest, TheSameJobWithOtherPatienceIsNotAnother) {
  JoinAndServe();
  coordinator_.Change([](World& world) {
    world.job.mutable_cluster()->set_wait_seconds(31);
    world.epoch = 8;
  });
  coordinator_.Await([](const World& w) {
    return !w.heartbeats.empty() && w.heartbeats.back().epoch() == 8;
  });
}

TEST_F(LostMemberTest, ARefusalWhenItJoinsAgainEndsIt) {
  JoinAndServe();
  coordinator_.Change([](World& world) {
    world.epoch = 8;
    world.register_answers = {
        {grpc::StatusCode::FAILED_PRECONDITION, "certificate differs"}};
  });
  const absl::Status failure = Failure();
  EXPECT_TRUE(absl::IsFailedPrecondition(failure)) << failure;
  EXPECT_THAT(std::string(failure.message()), HasSubstr("certificate differs"));
}

TEST_F(LostMemberTest, ItWaitsForWaitSecondsAndNamesTheMissingMember) {
  coordinator_.Change(
      [](World& world) { world.job.mutable_cluster()->set_wait_seconds(0); });
  JoinAndServe();
  coordinator_.Stop();
  const absl::Status failure = Failure();
  EXPECT_TRUE(absl::IsUnavailable(failure)) << failure;
  EXPECT_THAT(std::string(failure.message()),
              HasSubstr("lost the coordinator at " + coordinator_.address()));
}

TEST_F(MemberTest, AnIdleCoordinatorIsWaitedForBeyondTheDeadline) {
  coordinator_.Change([](World& world) {
    world.register_answers = {{grpc::StatusCode::NOT_FOUND, "no job now"}};
  });
  EXPECT_TRUE(member_->Join(absl::ZeroDuration()).ok());
}

TEST_F(MemberTest, RegistersWithAllThatTheCoordinatorTellsOthers) {
  const auto learner = *Member::New({.role = v1::ROLE_LEARNER,
                                     .name = "learner-1",
                                     .address = "10.0.0.1:1",
                                     .metrics_address = "10.0.0.1:2",
                                     .rank = 1,
                                     .coordinator = coordinator_.address()});
  ASSERT_TRUE(learner->Join(absl::Seconds(30)).ok());
  ASSERT_TRUE(member_->Join(absl::Seconds(30)).ok());
  const World world = coordinator_.Get();
  const v1::RegisterRequest& request = world.registered[0];
  EXPECT_EQ(request.role(), v1::ROLE_LEARNER);
  EXPECT_EQ(request.name(), "learner-1");
  EXPECT_EQ(request.address(), "10.0.0.1:1");
  EXPECT_EQ(request.metrics_address(), "10.0.0.1:2");
  EXPECT_EQ(request.rank(), 1u);
  EXPECT_NE(request.incarnation(), world.registered[1].incarnation());
}

TEST_F(MemberTest, ACertificateThatCannotBeMadeEndsTheJoin) {
  const absl::Status status =
      member_->Join(absl::Seconds(30), [](const v1::RegisterResponse&) {
        return absl::StatusOr<v1::Certificate>(
            absl::FailedPreconditionError("kernel matmul is not invariant"));
      });
  EXPECT_TRUE(absl::IsFailedPrecondition(status)) << status;
  EXPECT_EQ(coordinator_.Get().registered.size(), 1u);
  member_->Leave();
  EXPECT_EQ(coordinator_.Get().left, 0) << "it has not joined";
}

TEST(MemberOptionsTest, BadOptionsAreRefusedNamingTheRule) {
  const MemberOptions good{
      .role = v1::ROLE_ACTOR, .name = "actor-0", .coordinator = "127.0.0.1:1"};
  EXPECT_TRUE(Member::New(good).ok());
  const auto refused = [&](const std::function<void(MemberOptions&)>& change) {
    MemberOptions options = good;
    change(options);
    return Member::New(options).status().ToString();
  };
  EXPECT_THAT(refused([](auto& o) { o.role = v1::ROLE_UNSPECIFIED; }),
              HasSubstr("INVALID_ARGUMENT: member: role is required"));
  EXPECT_THAT(refused([](auto& o) { o.name = ""; }),
              HasSubstr("name must have 1 to 128 characters, got 0"));
  EXPECT_THAT(refused([](auto& o) { o.name = std::string(129, 'x'); }),
              HasSubstr("name must have 1 to 128 characters, got 129"));
  EXPECT_THAT(refused([](auto& o) { o.call_timeout = absl::ZeroDuration(); }),
              HasSubstr("call_timeout must be positive"));
  EXPECT_THAT(refused([](auto& o) { o.coordinator = "10.0.0.1:1"; }),
              HasSubstr("INVALID_ARGUMENT: 10.0.0.1:1"));
}

}  // namespace
}  // namespace aha::rpc
