// One server, one job after another behind it.
#include "coordinator/host.h"

#include <memory>
#include <string>
#include <thread>
#include <utility>

#include "absl/strings/str_cat.h"
#include "aha/v1/admin.grpc.pb.h"
#include "aha/v1/coordinator.grpc.pb.h"
#include "aha/v1/weights.grpc.pb.h"
#include "coordinator/weights_store.h"
#include "gmock/gmock.h"
#include "grpcpp/grpcpp.h"
#include "gtest/gtest.h"
#include "job/weights_encoding.h"
#include "tests/coordinator/fake_cluster.h"
#include "tests/temp_dir.h"

namespace aha::coordinator {
namespace {

using ::testing::HasSubstr;

absl::Status NoJobYet() { return absl::NotFoundError("no job yet"); }

class HostTest : public ::testing::Test {
 protected:
  HostTest() {
    absl::StatusOr<std::unique_ptr<Host>> host =
        Host::Start({}, RunArchive(runs_.path()), nullptr, NoJobYet());
    EXPECT_TRUE(host.ok()) << host.status();
    host_ = *std::move(host);
    channel_ = grpc::CreateChannel(host_->address(),
                                   grpc::InsecureChannelCredentials());
    admin_ = v1::Admin::NewStub(channel_);
    members_ = v1::Coordinator::NewStub(channel_);
  }

  HostedJob* Install(const std::string& name) {
    v1::Job job = TinyJob();
    job.set_name(name);
    absl::StatusOr<std::unique_ptr<HostedJob>> opened = HostedJob::Open(
        {.job = job, .run_directory = absl::StrCat(runs_.path(), "/", name)});
    EXPECT_TRUE(opened.ok()) << opened.status();
    const absl::StatusOr<HostedJob*> job_now =
        host_->Install(*std::move(opened));
    EXPECT_TRUE(job_now.ok()) << job_now.status();
    return *job_now;
  }

  v1::RegisterResponse Register(const std::string& name) {
    v1::RegisterRequest request;
    request.set_role(v1::ROLE_LEARNER);
    request.set_name(name);
    request.set_incarnation("x");
    request.set_address("127.0.0.1:9");
    request.mutable_certificate()->set_digest("same");
    v1::RegisterResponse response;
    grpc::ClientContext context;
    const grpc::Status status =
        members_->Register(&context, request, &response);
    EXPECT_TRUE(status.ok()) << status.error_message();
    return response;
  }

  grpc::Status Heartbeat(const v1::RegisterResponse& member) {
    v1::HeartbeatRequest request;
    request.set_member_id(member.member_id());
    request.set_epoch(member.epoch());
    v1::HeartbeatResponse response;
    grpc::ClientContext context;
    return members_->Heartbeat(&context, request, &response);
  }

  grpc::Status GetJob(v1::JobStatus* status) {
    grpc::ClientContext context;
    return admin_->GetJob(&context, v1::GetJobRequest(), status);
  }

  TempDir runs_;
  std::unique_ptr<Host> host_;
  std::shared_ptr<grpc::Channel> channel_;
  std::unique_ptr<v1::Admin::Stub> admin_;
  std::unique_ptr<v1::Coordinator::Stub> members_;
};

TEST_F(HostTest, CallsWithoutAJobGetTheReason) {
  v1::JobStatus status;
  const grpc::Status before = GetJob(&status);
  EXPECT_EQ(before.error_code(), grpc::StatusCode::NOT_FOUND);
  EXPECT_EQ(before.error_message(), "no job yet");
  Install("one");
  ASSERT_TRUE(GetJob(&status).ok());
  EXPECT_EQ(status.name(), "one");
  host_->Remove(absl::NotFoundError("it is over"));
  EXPECT_EQ(GetJob(&status).error_message(), "it is over");
  v1::LeaveResponse left;
  grpc::ClientContext context;
  EXPECT_TRUE(members_->Leave(&context, v1::LeaveRequest(), &left).ok());
}

TEST_F(HostTest, AMemberOfTheJobBeforeIsNotTakenForOneOfTheNext) {
  Install("one");
  const v1::RegisterResponse member = Register("learner-0");
  EXPECT_TRUE(Heartbeat(member).ok());
  host_->Remove(NoJobYet());
  EXPECT_THAT(Heartbeat(member).error_message(), HasSubstr("is over"));
  Install("two");
  const v1::RegisterResponse next = Register("learner-0");
  EXPECT_EQ(next.epoch(), member.epoch());
  EXPECT_EQ(Heartbeat(member).error_code(), grpc::StatusCode::NOT_FOUND);
  EXPECT_TRUE(Heartbeat(next).ok());
}

TEST_F(HostTest, ARunDirectoryIsFreeAgainWhenRemoveHasReturned) {
  for (int i = 0; i < 3; ++i) {
    Install("one");
    host_->Remove(NoJobYet());
  }
}

TEST_F(HostTest, TheConnectionStaysOpenFromOneJobToTheNext) {
  Install("one");
  v1::JobStatus status;
  ASSERT_TRUE(GetJob(&status).ok());
  host_->Remove(NoJobYet());
  Install("two");
  // The first break of the connection would change this state.
  EXPECT_EQ(channel_->GetState(false), GRPC_CHANNEL_READY);
  ASSERT_TRUE(GetJob(&status).ok());
  EXPECT_EQ(status.name(), "two");
}

// A watch and a long poll wait without end, and a fetch whose reader is slow
// waits for its reader.
TEST_F(HostTest, RemoveEndsTheCallsThatWait) {
  HostedJob* const job = Install("one");
  const v1::RegisterResponse member = Register("learner-0");
  const std::string large(uint64_t{32} << 20, 'w');
  const WeightsId id{0, 0};
  auto incoming = job->weights().Begin(
      id, {.bytes = large.size(), .checksum = HashOf(large)});
  ASSERT_TRUE(incoming.ok()) << incoming.status();
  for (size_t at = 0; at < large.size(); at += kMaxWeightsChunk) {
    const std::string piece = large.substr(at, kMaxWeightsChunk);
    const absl::Status appended =
        (*incoming)->Append(at, piece, Hash64(piece.data(), piece.size()));
    ASSERT_TRUE(appended.ok()) << appended;
  }
  ASSERT_TRUE(job->weights().Finish(*std::move(incoming)).ok());
  ASSERT_TRUE(job->weights().Commit(id).ok());

  grpc::ClientContext watching;
  const auto watch = admin_->WatchJob(&watching, v1::WatchJobRequest());
  v1::JobStatus status;
  ASSERT_TRUE(watch->Read(&status));

  grpc::ClientContext fetching;
  v1::FetchRequest wanted;
  *wanted.mutable_id() = id.ToProto();
  const auto fetch = v1::Weights::NewStub(channel_)->Fetch(&fetching, wanted);
  v1::WeightsChunk chunk;
  ASSERT_TRUE(fetch->Read(&chunk)) << fetch->Finish().error_message();

  grpc::Status polled;
  std::thread poll([&] {
    v1::LeaseGroupsRequest request;
    request.set_member_id(member.member_id());
    request.set_epoch(member.epoch());
    request.set_max_groups(1);
    request.set_wait_ms(10'000);
    v1::LeaseGroupsResponse response;
    grpc::ClientContext context;
    polled = members_->LeaseGroups(&context, request, &response);
  });
  host_->Remove(NoJobYet());
  poll.join();
  EXPECT_FALSE(polled.ok());
  while (watch->Read(&status)) {
  }
  EXPECT_EQ(watch->Finish().error_code(), grpc::StatusCode::UNAVAILABLE);
  while (fetch->Read(&chunk)) {
  }
  EXPECT_EQ(fetch->Finish().error_code(), grpc::StatusCode::CANCELLED);
}

}  // namespace
}  // namespace aha::coordinator
