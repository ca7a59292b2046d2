#include "rpc/server.h"

#include <chrono>
#include <string>

#include "aha/v1/admin.grpc.pb.h"
#include "gmock/gmock.h"
#include "grpc/health/v1/health.grpc.pb.h"
#include "grpcpp/grpcpp.h"
#include "gtest/gtest.h"
#include "rpc/channel.h"

namespace aha::rpc {
namespace {

using ::testing::HasSubstr;

// The serving status of `service`: 1 is SERVING, 2 is NOT_SERVING.
int HealthOf(const Server& server, const std::string& service) {
  auto channel = NewChannel({.address = server.address()});
  const auto stub = grpc::health::v1::Health::NewStub(*channel);
  grpc::ClientContext context;
  context.set_deadline(std::chrono::system_clock::now() +
                       std::chrono::seconds(10));
  grpc::health::v1::HealthCheckRequest request;
  request.set_service(service);
  grpc::health::v1::HealthCheckResponse response;
  if (!stub->Check(&context, request, &response).ok()) return -1;
  return response.status();
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
  EXPECT_EQ(server.status().code(), absl::StatusCode::kInvalidArgument);
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
