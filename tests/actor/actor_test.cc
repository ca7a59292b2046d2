// Runs an actor with a sampler that needs no model between a scripted
// coordinator, real reward replicas and a fake consumer, all over loopback.
#include "actor/actor.h"

#include <optional>
#include <thread>

#include "absl/strings/str_cat.h"
#include "cluster/member.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "tests/actor/fake_coordinator.h"
#include "tests/actor/fake_sampler.h"
#include "tests/loopback.h"
#include "tests/reward_service/fake_sink.h"
#include "tests/reward_service/messages.h"
#include "tests/reward_service/replica.h"

namespace aha::actor {
namespace {

using ::testing::AllOf;
using ::testing::ElementsAre;
using ::testing::HasSubstr;
using World = FakeCoordinator::World;

class FakeCodec : public PromptCodec {
 public:
  absl::StatusOr<std::vector<int32_t>> Encode(
      const v1::GroupContext& group) const override {
    const std::string& prompt = group.prompt();
    if (prompt.size() > 100) {
      return absl::InvalidArgumentError(
          absl::StrCat("prompt ", group.prompt_id(), ": too long"));
    }
    return std::vector<int32_t>(prompt.begin(), prompt.end());
  }
  absl::StatusOr<std::string> Opening(
      const v1::GroupContext& group) const override {
    return group.turns().empty() ? "" : "<think>";
  }
  std::string Decode(absl::Span<const int32_t> completion) const override {
    return absl::StrCat(completion.size(), " tokens");
  }
};

class ActorTest : public ::testing::Test {
 protected:
  ActorTest() {
    coordinator_.Change([&](World& world) {
      world.job.mutable_cluster()->set_wait_seconds(30);
      world.job.mutable_cluster()->set_max_rows(16);
      world.job.set_seed(5);
      world.weights[{0, 0}] = RandomBytes(5500, 1);
      world.weights[{0, 1}] = RandomBytes(5500, 2);
    });
    SetPeers();
  }
  ~ActorTest() override {
    sink_.Hold(false);
    if (runner_.joinable()) StopActor().IgnoreError();
  }

  void SetPeers() {
    coordinator_.Change([&](World& world) {
      world.peers.clear();
      for (const auto& replica : replicas_) {
        if (replica == nullptr) continue;
        v1::Peer& peer = world.peers.emplace_back();
        peer.set_role(v1::ROLE_REWARD);
        peer.set_address(replica->address());
      }
    });
  }

  void StartActor() {
    member_ = *rpc::Member::New({.role = v1::ROLE_ACTOR,
                                 .name = "actor-0",
                                 .coordinator = coordinator_.address()});
    ASSERT_TRUE(member_->Join(absl::Seconds(30)).ok());
    // The actor needs to know its peers.
    coordinator_.Await([](const World& w) { return !w.heartbeats.empty(); });
    runner_ = std::thread([this] {
      Actor actor({.sampler = &sampler_,
                   .codec = &codec_,
                   .member = member_.get(),
                   .metrics = &metrics_});
      result_ = actor.Run(stop_);
      member_->Leave();
    });
  }
  absl::Status StopActor() {
    stop_.Cancel();
    runner_.join();
    return result_;
  }
  // Waits for the actor to end by itself.
  absl::Status AwaitEnd() {
    runner_.join();
    return result_;
  }

  v1::Lease MakeLease(uint64_t id, uint32_t slot, uint64_t version = 0) {
    v1::Lease lease;
    lease.set_lease_id(id);
    v1::GroupContext& group = *lease.mutable_group();
    group = reward::Context(slot, 4, sink_server_->address());
    group.clear_prompt_token_ids();
    group.mutable_policy()->set_version(version);
    lease.mutable_sampling()->set_temperature(1);
    lease.mutable_sampling()->set_top_p(1);
    lease.mutable_sampling()->set_max_completion_length(10);
    lease.set_reward_address(replicas_[0] ? replicas_[0]->address()
                                          : "127.0.0.1:1");
    return lease;
  }
  void Lease(const v1::Lease& lease) {
    coordinator_.Change([&](World& world) { world.leases.push_back(lease); });
  }
  void AwaitCompleted(size_t leases) {
    coordinator_.Await(
        [=](const World& w) { return w.completed.size() >= leases; });
  }

  FakeCoordinator coordinator_;
  reward::FakeSink sink_;
  std::unique_ptr<rpc::Server> sink_server_ = *rpc::Server::Start({}, {&sink_});
  std::vector<std::unique_ptr<reward::Replica>> replicas_ = [] {
    std::vector<std::unique_ptr<reward::Replica>> replicas;
    for (int i = 0; i < 2; ++i) {
      replicas.push_back(std::make_unique<reward::Replica>(
          reward::PipelineOptions{}, OwnLoopback() + ":0"));
    }
    return replicas;
  }();
  FakeSampler sampler_;
  FakeCodec codec_;
  metrics::Registry metrics_{"test"};
  rpc::Cancellation stop_;
  std::unique_ptr<rpc::Member> member_;
  std::thread runner_;
  absl::Status result_;
};

TEST_F(ActorTest, LeasedGroupsReachTheirConsumerAndTheLeasesAreCompleted) {
  StartActor();
  for (uint32_t slot = 0; slot < 6; ++slot) Lease(MakeLease(10 + slot, slot));
  AwaitCompleted(6);
  EXPECT_EQ(sink_.groups().size(), 6u);
  const v1::ScoredGroup group = sink_.groups()[0];
  ASSERT_EQ(group.trajectories_size(), 4);
  EXPECT_THAT(group.context().prompt_token_ids(),
              ElementsAre('1', '+', '1', '='));
  const v1::Trajectory& second = group.trajectories(1).trajectory();
  EXPECT_EQ(second.sample(), 1u);
  EXPECT_EQ(second.token_ids_size(), 3);
  EXPECT_EQ(second.logprobs().size(), 12u);
  EXPECT_EQ(second.completion(), "3 tokens");
  EXPECT_TRUE(StopActor().ok());
  EXPECT_EQ(coordinator_.Get().left, 1);
}

TEST_F(ActorTest, HeldLeasesAreRenewedAndEndOnceCompleted) {
  sink_.Hold(true);
  StartActor();
  Lease(MakeLease(42, 0));
  coordinator_.Await([](const World& w) {
    const auto& held = w.heartbeats.back().lease_ids();
    return std::find(held.begin(), held.end(), 42u) != held.end();
  });
  sink_.Hold(false);
  AwaitCompleted(1);
  coordinator_.Await(
      [](const World& w) { return w.heartbeats.back().lease_ids().empty(); });
}

TEST_F(ActorTest, WeightsAreSwappedWhenTheNextVersionsGroupsCome) {
  StartActor();
  Lease(MakeLease(1, 0, 0));
  Lease(MakeLease(2, 1, 1));
  AwaitCompleted(2);
  EXPECT_TRUE(StopActor().ok());
  EXPECT_THAT(sampler_.loads,
              ElementsAre(RandomBytes(5500, 1), RandomBytes(5500, 2)));
}

TEST_F(ActorTest, ABrokenTransferContinuesWhereItEnded) {
  coordinator_.Change([](World& world) { world.break_fetches = 2; });
  StartActor();
  Lease(MakeLease(1, 0));
  AwaitCompleted(1);
  EXPECT_THAT(coordinator_.Get().fetch_offsets, ElementsAre(0, 1000, 2000));
}

TEST_F(ActorTest, ACorruptedChunkIsFetchedAgainAndCounted) {
  coordinator_.Change([](World& world) { world.corrupt_chunks = 1; });
  StartActor();
  Lease(MakeLease(1, 0));
  AwaitCompleted(1);
  EXPECT_TRUE(StopActor().ok());
  EXPECT_THAT(sampler_.loads, ElementsAre(RandomBytes(5500, 1)));
  EXPECT_THAT(metrics_.Text(),
              HasSubstr("aha_weights_digest_mismatches_total 1"));
}

TEST_F(ActorTest, WeightsInAnEncodingThatCannotBeReadEndTheActorAtOnce) {
  coordinator_.Change(
      [](World& world) { world.encoding = v1::WEIGHTS_ENCODING_DELTA; });
  StartActor();
  Lease(MakeLease(1, 0));
  const absl::Status end = AwaitEnd();
  EXPECT_TRUE(absl::IsUnimplemented(end)) << end;
  EXPECT_THAT(std::string(end.message()),
              AllOf(HasSubstr("encoding must be FULL"),
                    HasSubstr(coordinator_.address())));
}

TEST_F(ActorTest, WhenAReplicaDiesItsGroupsGoToALiveOne) {
  sink_.Hold(true);
  StartActor();
  Lease(MakeLease(1, 0));
  sink_.WaitForCalls(1);
  replicas_[0].reset();
  sink_.Hold(false);
  AwaitCompleted(1);
  // It was delivered by one or both; the bits are the same.
  for (const v1::ScoredGroup& group : sink_.groups()) {
    EXPECT_EQ(group.SerializeAsString(), sink_.groups()[0].SerializeAsString());
  }
}

TEST_F(ActorTest, WaitsForTheReturnOfTheOnlyReplica) {
  replicas_.resize(1);
  SetPeers();
  const std::string address = replicas_[0]->address();
  StartActor();
  const v1::Lease lease = MakeLease(1, 0);
  replicas_[0].reset();
  Lease(lease);
  coordinator_.Await(
      [](const World& w) { return !w.heartbeats.back().lease_ids().empty(); });
  replicas_[0] =
      std::make_unique<reward::Replica>(reward::PipelineOptions{}, address);
  AwaitCompleted(1);
  EXPECT_EQ(sink_.groups().size(), 1u);
}

TEST_F(ActorTest, AGroupThatNoConsumerAcceptsIsDroppedAndNotCompleted) {
  sink_.Answer(absl::FailedPreconditionError("the step is over"));
  StartActor();
  Lease(MakeLease(1, 0));
  sink_.WaitForCalls(1);
  Lease(MakeLease(2, 1));
  AwaitCompleted(1);
  EXPECT_EQ(coordinator_.Get().completed[0].lease_id(), 2u);
  coordinator_.Await(
      [](const World& w) { return w.heartbeats.back().lease_ids().empty(); });
}

TEST_F(ActorTest, AGroupThatIsAlwaysRefusedEndsTheJobWithTheReason) {
  for (int i = 0; i < 3; ++i) {
    sink_.Answer(absl::InvalidArgumentError("slot 0 is rank 1's"));
  }
  StartActor();
  // The coordinator leases it again each time its lease has ended.
  for (uint64_t id = 1; id <= 3; ++id) {
    Lease(MakeLease(id, 0));
    coordinator_.Await(
        [id](const World& w) { return w.problems.size() >= id; });
  }
  EXPECT_TRUE(absl::IsInvalidArgument(AwaitEnd()));
  const World world = coordinator_.Get();
  ASSERT_EQ(world.problems.size(), 3u);
  EXPECT_FALSE(world.problems[1].fatal());
  EXPECT_TRUE(world.problems[2].fatal());
  EXPECT_THAT(world.problems[2].message(),
              AllOf(HasSubstr("step 3 slot 0"), HasSubstr("3 of 3 times"),
                    HasSubstr("slot 0 is rank 1's")));
}

TEST_F(ActorTest, AGroupThatNoReplicaTakesIsNotSentForEver) {
  coordinator_.Change(
      [](World& world) { world.job.mutable_cluster()->set_wait_seconds(3); });
  for (const auto& replica : replicas_) {
    replica->forwarder().SetPatience(absl::ZeroDuration());
  }
  for (int i = 0; i < 1000; ++i) {
    sink_.Answer(absl::UnavailableError("a later step"));
  }
  StartActor();
  Lease(MakeLease(1, 0));
  EXPECT_TRUE(absl::IsDeadlineExceeded(AwaitEnd()));
  const World world = coordinator_.Get();
  ASSERT_EQ(world.problems.size(), 1u);
  EXPECT_TRUE(world.problems[0].fatal());
  EXPECT_THAT(world.problems[0].message(),
              AllOf(HasSubstr("step 3 slot 0"), HasSubstr("not taken"),
                    HasSubstr("a later step")));
}

TEST_F(ActorTest, AGroupThatOneReplicaCannotScoreIsScoredByAnother) {
  replicas_[0]->pipeline().SetScorer(
      reward::Immediate([](const reward::Completion&) {
        return absl::UnavailableError("reward mine (./judge): it ended");
      }));
  StartActor();
  Lease(MakeLease(1, 0));  // For the first replica.
  AwaitCompleted(1);
  EXPECT_EQ(sink_.groups().size(), 1u);
  EXPECT_TRUE(coordinator_.Get().problems.empty());
  EXPECT_TRUE(StopActor().ok());
}

TEST_F(ActorTest, ContradictionsAreFatalAndNameTheGroup) {
  sink_.Answer(absl::DataLossError("differs from an earlier delivery"));
  StartActor();
  Lease(MakeLease(1, 0));
  EXPECT_TRUE(absl::IsDataLoss(AwaitEnd()));
  const World world = coordinator_.Get();
  ASSERT_EQ(world.problems.size(), 1u);
  EXPECT_TRUE(world.problems[0].fatal());
  EXPECT_THAT(world.problems[0].message(), HasSubstr("step 3 slot 0"));
}

TEST_F(ActorTest, APromptThatIsTooLongIsFatalAndNamed) {
  StartActor();
  v1::Lease lease = MakeLease(1, 0);
  lease.mutable_group()->set_prompt(std::string(101, 'x'));
  lease.mutable_group()->set_prompt_id("train-17");
  Lease(lease);
  EXPECT_TRUE(absl::IsInvalidArgument(AwaitEnd()));
  EXPECT_THAT(coordinator_.Get().problems[0].message(), HasSubstr("train-17"));
}

TEST_F(ActorTest, AnErrorOfTheSamplerIsFatalAndReported) {
  sampler_.step_error =
      absl::InternalError("logit at position 3 is not finite");
  StartActor();
  Lease(MakeLease(1, 0));
  EXPECT_TRUE(absl::IsInternal(AwaitEnd()));
  EXPECT_THAT(coordinator_.Get().problems[0].message(),
              HasSubstr("position 3"));
}

TEST_F(ActorTest, AfterACoordinatorsRestartTheActorRejoinsAndContinues) {
  sink_.Hold(true);
  StartActor();
  Lease(MakeLease(1, 0));
  sink_.WaitForCalls(1);
  for (const auto& replica : replicas_) replica->pipeline().SetEpoch(8);
  coordinator_.Change([](World& world) { world.epoch = 8; });
  sink_.Hold(false);
  v1::Lease lease = MakeLease(1, 1);  // Lease ids start again.
  lease.mutable_group()->set_epoch(8);
  Lease(lease);
  AwaitCompleted(1);
  const World world = coordinator_.Get();
  EXPECT_EQ(world.completed[0].key().slot(), 1u);
  EXPECT_EQ(world.completed[0].epoch(), 8u);
  EXPECT_EQ(world.registered.size(), 2u);
  EXPECT_EQ(world.registered[0].incarnation(),
            world.registered[1].incarnation());
}

TEST_F(ActorTest, ALostLeaseIsForgotten) {
  coordinator_.Change([](World& world) { world.weights.clear(); });
  StartActor();
  Lease(MakeLease(1, 0));
  coordinator_.Await([](const World& w) { return !w.fetch_offsets.empty(); });
  coordinator_.Change([](World& world) { world.lose = {1}; });
  coordinator_.Await([](const World& w) {
    return w.lose.empty() && w.heartbeats.back().lease_ids().empty();
  });
  EXPECT_TRUE(StopActor().ok());
  EXPECT_TRUE(sink_.groups().empty());
}

TEST_F(ActorTest, ADrainedActorFinishesWhatItHoldsAndEnds) {
  sink_.Hold(true);
  StartActor();
  Lease(MakeLease(1, 0));
  sink_.WaitForCalls(1);
  coordinator_.Change(
      [](World& world) { world.directive = v1::DIRECTIVE_DRAIN; });
  sink_.Hold(false);
  EXPECT_TRUE(AwaitEnd().ok());
  const World world = coordinator_.Get();
  EXPECT_EQ(world.completed.size(), 1u);
  EXPECT_EQ(world.left, 1);
}

TEST_F(ActorTest, AStoppedActorEndsAtOnceAndGivesItsLeasesBack) {
  coordinator_.Change([](World& world) { world.weights.clear(); });
  StartActor();
  Lease(MakeLease(1, 0));
  coordinator_.Await([](const World& w) { return !w.fetch_offsets.empty(); });
  EXPECT_TRUE(StopActor().ok());
  EXPECT_EQ(coordinator_.Get().left, 1);
  EXPECT_TRUE(coordinator_.Get().completed.empty());
}

TEST_F(ActorTest, TheJobsEndEndsTheActor) {
  StartActor();
  coordinator_.Change(
      [](World& world) { world.directive = v1::DIRECTIVE_STOP; });
  EXPECT_TRUE(AwaitEnd().ok());
}

TEST_F(ActorTest, AnIdleActorStaysInOneLongPoll) {
  StartActor();
  coordinator_.Await([](const World& w) {
    return w.polls == 1 && w.heartbeats.size() > 10 &&
           w.heartbeats.back().waiting_for() == "groups of the coordinator";
  });
  EXPECT_EQ(coordinator_.Get().polls, 1);
}

}  // namespace
}  // namespace aha::actor
