#include "rpc/server.h"

#include <future>
#include <string>

#include "aha/v1/admin.grpc.pb.h"
#include "gmock/gmock.h"
#include "grpcpp/generic/generic_stub.h"
#include "grpcpp/grpcpp.h"
#include "gtest/gtest.h"
#include "rpc/channel.h"

namespace aha::rpc {
namespace {

using ::testing::HasSubstr;

// Calls grpc.health.v1, which is not among the protos that we generate, with
// raw bytes. The request has a string in field 1 and the response an enum in
// field 1; SERVING is 1.
int HealthOf(const Server& server, const std::string& service) {
  auto channel = NewChannel({.address = server.address()});
  grpc::ByteBuffer request, response;
  const std::string body =
      std::string("\x0a") + static_cast<char>(service.size()) + service;
  grpc::Slice slice(body);
  request = grpc::ByteBuffer(&slice, 1);
  grpc::GenericStub stub(*channel);
  grpc::ClientContext context;
  context.set_deadline(std::chrono::system_clock::now() +
                       std::chrono::seconds(10));
  std::promise<grpc::Status> done;
  stub.UnaryCall(&context, "/grpc.health.v1.Health/Check", {}, &request,
                 &response, [&](const grpc::Status& s) { done.set_value(s); });
  if (!done.get_future().get().ok()) return -1;
  std::vector<grpc::Slice> slices;
  (void)response.Dump(&slices);
  std::string text;
  for (const grpc::Slice& s : slices) {
    text.append(reinterpret_cast<const char*>(s.begin()), s.size());
  }
  return text.size() == 2 ? text[1] : 0;
}

TEST(ServerTest, ReportsLivenessAndReadinessApart) {
  auto server = Server::Start({}, {});
  ASSERT_TRUE(server.ok()) << server.status();
  EXPECT_EQ(HealthOf(**server, "liveness"), 1);
  EXPECT_EQ(HealthOf(**server, "readiness"), 2);
  (*server)->SetReady(true);
  EXPECT_EQ(HealthOf(**server, "readiness"), 1);
  EXPECT_EQ(HealthOf(**server, "nobody"), -1);
}

TEST(ServerTest, TakesAFreePortAndSaysWhich) {
  auto server = Server::Start({.listen = "127.0.0.1:0"}, {});
  ASSERT_TRUE(server.ok()) << server.status();
  EXPECT_GT((*server)->port(), 0);
  EXPECT_EQ((*server)->address(),
            "127.0.0.1:" + std::to_string((*server)->port()));
}

TEST(ServerTest, APortInUseIsNamed) {
  auto first = Server::Start({}, {});
  ASSERT_TRUE(first.ok());
  const auto second = Server::Start({.listen = (*first)->address()}, {});
  EXPECT_EQ(second.status().code(), absl::StatusCode::kAlreadyExists);
  EXPECT_THAT(std::string(second.status().message()),
              HasSubstr((*first)->address()));
}

TEST(ServerTest, RefusesPlainTextBeyondThisMachine) {
  const auto server = Server::Start({.listen = "0.0.0.0:0"}, {});
  EXPECT_EQ(server.status().code(), absl::StatusCode::kFailedPrecondition);
  EXPECT_THAT(std::string(server.status().message()), HasSubstr("--insecure"));
}

TEST(ServerTest, ServesAnyAddressIfTheUserSaysSo) {
  const auto server = Server::Start(
      {.listen = "0.0.0.0:0", .security = {.insecure = true}}, {});
  ASSERT_TRUE(server.ok()) << server.status();
  EXPECT_EQ((*server)->address().find("0.0.0.0"), std::string::npos);
}

}  // namespace
}  // namespace aha::rpc
