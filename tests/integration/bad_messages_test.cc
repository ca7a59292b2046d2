// Sends messages that none of our programs would send to the services of a real
// run. Each is refused with its error, and the run ends as if they had not been
// sent.
#include <fstream>
#include <memory>
#include <string>
#include <vector>

#include "absl/strings/str_replace.h"
#include "aha/v1/admin.grpc.pb.h"
#include "aha/v1/coordinator.grpc.pb.h"
#include "aha/v1/reward.grpc.pb.h"
#include "aha/v1/rollout.grpc.pb.h"
#include "aha/v1/weights.grpc.pb.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "rpc/client.h"
#include "tests/integration/local_cluster.h"
#include "tests/integration/small_job.h"

namespace aha::testing {
namespace {

using ::testing::AnyOf;
using ::testing::HasSubstr;
using ::testing::Not;

constexpr absl::Duration kLimit = absl::Minutes(1);
constexpr size_t kTooLarge = 65 << 20;

void ExpectStatus(const absl::Status& status, absl::StatusCode code,
                  const std::string& says) {
  EXPECT_EQ(status.code(), code) << status;
  EXPECT_THAT(std::string(status.message()), HasSubstr(says));
}

class BadMessagesTest : public ::testing::Test {
 protected:
  void SetUp() override {
    const std::string job = scratch_.path() + "/job.yaml";
    std::ofstream(job) << absl::StrReplaceAll(kSmallJob,
                                              {{"steps: 3", "steps: 40"}});
    cluster_ = std::make_unique<LocalCluster>(job, run_, kNone);
    ASSERT_TRUE(cluster_->WaitForSteps(1, kLimit)) << cluster_->Output();
    const std::string address = AwaitEndpoint(run_);
    ASSERT_NE(address, "");
    coordinator_ = *rpc::Client::New({.address = address});
    v1::JobStatus status;
    ASSERT_TRUE(Call(&v1::Admin::Stub::PauseJob, v1::PauseJobRequest(), &status,
                     *coordinator_)
                    .ok());
    v1::ListMembersResponse members;
    ASSERT_TRUE(Call(&v1::Admin::Stub::ListMembers, v1::ListMembersRequest(),
                     &members, *coordinator_)
                    .ok());
    for (const v1::Member& member : members.members()) {
      if (member.role() == v1::ROLE_LEARNER) {
        learner_ = *rpc::Client::New({.address = member.address()});
      } else if (member.role() == v1::ROLE_REWARD) {
        reward_ = *rpc::Client::New({.address = member.address()});
      }
    }
    ASSERT_TRUE(learner_ && reward_);
  }

  // Checks that the job continues and succeeds.
  void TearDown() override {
    if (!coordinator_) return;
    v1::JobStatus status;
    EXPECT_TRUE(Call(&v1::Admin::Stub::ResumeJob, v1::ResumeJobRequest(),
                     &status, *coordinator_)
                    .ok());
    EXPECT_EQ(cluster_->Wait(kLimit), 0) << cluster_->Output();
    EXPECT_EQ(cluster_->Summary().value("state", ""), "succeeded");
    EXPECT_THAT(cluster_->Output(), Not(HasSubstr("restarted")));
  }

  template <class Method, class Request, class Response>
  static absl::Status Call(Method method, const Request& request,
                           Response* response, rpc::Client& peer) {
    return peer.Call(
        method, request, response,
        {.attempt = absl::Seconds(10), .total = absl::ZeroDuration()});
  }

  absl::Status Deliver(const v1::DeliverRequest& request) {
    v1::DeliverResponse response;
    return Call(&v1::GroupSink::Stub::Deliver, request, &response, *learner_);
  }
  template <class Method, class Request, class Response>
  absl::Status Ask(Method method, const Request& request, Response* response) {
    return Call(method, request, response, *coordinator_);
  }
  // Returns the first answer that is not credit, or how the stream ended.
  absl::StatusOr<v1::GroupAck> Submit(const v1::SubmitRequest& request) {
    const auto stream = reward_->Open(&v1::Reward::Stub::Submit,
                                      {.deadline = absl::Seconds(10)});
    (void)stream->Write(request);
    v1::SubmitResponse response;
    while (true) {
      const absl::StatusOr<bool> more = stream->Read(&response);
      if (!more.ok()) return more.status();
      if (!*more) return absl::NotFoundError("no answer");
      if (response.has_ack()) return response.ack();
    }
  }

  static inline const std::vector<std::string> kNone;
  TempDir scratch_;
  const std::string run_ = scratch_.path() + "/run";
  std::unique_ptr<LocalCluster> cluster_;
  std::unique_ptr<rpc::Client> coordinator_;
  std::unique_ptr<rpc::Client> learner_;
  std::unique_ptr<rpc::Client> reward_;
};

// Returns a group of the last step, which the learner will need.
v1::DeliverRequest Group() {
  v1::DeliverRequest request;
  v1::GroupContext& context = *request.mutable_group()->mutable_context();
  context.set_epoch(1);
  context.mutable_key()->set_step(39);
  context.mutable_policy()->set_version(39);
  context.set_num_generations(2);
  context.set_consumer("127.0.0.1:1");
  context.add_prompt_token_ids(1);
  return request;
}

TEST_F(BadMessagesTest, TheLearnerRefusesGroupsThatAreNotItsOwn) {
  v1::DeliverRequest request = Group();
  request.mutable_group()->mutable_context()->set_epoch(0);
  ExpectStatus(Deliver(request), absl::StatusCode::kFailedPrecondition,
               "context.epoch must be 1, is 0");
  request.mutable_group()->mutable_context()->set_epoch(9);
  ExpectStatus(Deliver(request), absl::StatusCode::kUnavailable, "epoch 9");
  request = Group();
  request.mutable_group()->mutable_context()->mutable_key()->set_step(0);
  ExpectStatus(Deliver(request), absl::StatusCode::kFailedPrecondition,
               "is over");
  request.mutable_group()->mutable_context()->mutable_key()->set_step(4000);
  ExpectStatus(Deliver(request), absl::StatusCode::kFailedPrecondition,
               "is over");
  ExpectStatus(Deliver(v1::DeliverRequest()),
               absl::StatusCode::kFailedPrecondition, "context.epoch must be");
  request.mutable_group()->mutable_context()->set_prompt(
      std::string(kTooLarge, 'x'));
  EXPECT_EQ(Deliver(request).code(), absl::StatusCode::kResourceExhausted);
}

TEST_F(BadMessagesTest, TheLearnerRefusesMalformedGroupsOfTheStepItWaitsFor) {
  // The step that had begun before the pause still ends.
  uint64_t step = static_cast<uint64_t>(cluster_->StepsDone());
  const auto with = [&](auto change) {
    absl::Status status;
    do {
      v1::DeliverRequest request = Group();
      v1::GroupContext& context = *request.mutable_group()->mutable_context();
      context.mutable_key()->set_step(step);
      context.mutable_policy()->set_version(step);
      change(*request.mutable_group());
      status = Deliver(request);
    } while (absl::IsFailedPrecondition(status) && ++step < 40);
    return status;
  };
  const absl::StatusCode invalid = absl::StatusCode::kInvalidArgument;
  ExpectStatus(with([](v1::ScoredGroup& group) {
                 group.mutable_context()->mutable_key()->set_slot(2);
               }),
               invalid, "context.key.slot must be below 2, is 2");
  ExpectStatus(with([](v1::ScoredGroup& group) {
                 group.mutable_context()->mutable_policy()->set_version(777);
               }),
               invalid, "context.policy must be version");
  ExpectStatus(with([](v1::ScoredGroup& group) {
                 group.mutable_context()->set_num_generations(3);
               }),
               invalid, "context.num_generations must be 2, is 3");
  ExpectStatus(with([](v1::ScoredGroup&) {}), invalid,
               "number of trajectories must be 2, is 0");
  ExpectStatus(with([](v1::ScoredGroup& group) {
                 group.mutable_context()->set_prompt_token_ids(0, -1);
                 group.add_trajectories();
                 group.add_trajectories();
               }),
               invalid, "context.prompt_token_ids must be from 0 to");
}

TEST_F(BadMessagesTest, TheRewardServiceRefuses) {
  v1::SubmitRequest request;
  *request.mutable_open() = Group().group().context();
  request.mutable_open()->set_epoch(0);
  absl::StatusOr<v1::GroupAck> ack = Submit(request);
  ASSERT_TRUE(ack.ok()) << ack.status();
  EXPECT_EQ(ack->code(),
            static_cast<int>(absl::StatusCode::kFailedPrecondition));
  EXPECT_THAT(ack->message(), HasSubstr("epoch 0"));

  request.mutable_open()->set_epoch(1);
  request.mutable_open()->set_num_generations(0);
  ack = Submit(request);
  ASSERT_TRUE(ack.ok()) << ack.status();
  EXPECT_EQ(ack->code(), static_cast<int>(absl::StatusCode::kInvalidArgument));
  EXPECT_THAT(ack->message(), HasSubstr("context.num_generations must be"));

  request.mutable_trajectory()->mutable_trajectory()->set_sample(1);
  ack = Submit(request);  // This group was never opened.
  ASSERT_TRUE(ack.ok()) << ack.status();
  EXPECT_EQ(ack->code(), static_cast<int>(absl::StatusCode::kInvalidArgument));

  request.mutable_open()->set_prompt(std::string(kTooLarge, 'x'));
  EXPECT_EQ(Submit(request).status().code(),
            absl::StatusCode::kResourceExhausted);
}

TEST_F(BadMessagesTest, TheCoordinatorRefuses) {
  v1::HeartbeatRequest beat;
  v1::HeartbeatResponse answer;
  beat.set_member_id(1);
  beat.set_epoch(9);
  EXPECT_THAT(Ask(&v1::Coordinator::Stub::Heartbeat, beat, &answer).code(),
              AnyOf(absl::StatusCode::kFailedPrecondition,
                    absl::StatusCode::kNotFound));
  beat.set_epoch(1);
  beat.set_member_id(424242);
  EXPECT_FALSE(Ask(&v1::Coordinator::Stub::Heartbeat, beat, &answer).ok());

  v1::RegisterRequest join;
  v1::RegisterResponse joined;
  ExpectStatus(Ask(&v1::Coordinator::Stub::Register, join, &joined),
               absl::StatusCode::kInvalidArgument, "role");
  join.set_role(v1::ROLE_LEARNER);
  join.set_name("another");
  join.set_incarnation("x");
  join.set_address("127.0.0.1:1");
  join.set_rank(5);
  EXPECT_THAT(Ask(&v1::Coordinator::Stub::Register, join, &joined).code(),
              AnyOf(absl::StatusCode::kInvalidArgument,
                    absl::StatusCode::kFailedPrecondition));

  v1::CommitStepRequest commit;
  v1::CommitStepResponse committed;
  commit.set_member_id(1);
  commit.set_epoch(1);
  commit.set_weights_checksum("short");
  EXPECT_FALSE(
      Ask(&v1::Coordinator::Stub::CommitStep, commit, &committed).ok());

  join.set_name(std::string(kTooLarge, 'x'));
  EXPECT_EQ(Ask(&v1::Coordinator::Stub::Register, join, &joined).code(),
            absl::StatusCode::kResourceExhausted);

  v1::PublishResponse published;
  const auto stream = coordinator_->Open(
      &v1::Weights::Stub::Publish, &published, {.deadline = absl::Seconds(10)});
  v1::WeightsChunk chunk;
  chunk.set_encoding(v1::WEIGHTS_ENCODING_FULL);
  chunk.set_epoch(9);
  chunk.set_total_bytes(uint64_t{1} << 60);
  (void)stream->Write(chunk);
  (void)stream->WritesDone();
  EXPECT_FALSE(stream->Finish().ok());
}

}  // namespace
}  // namespace aha::testing
