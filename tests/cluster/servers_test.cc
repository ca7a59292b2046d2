#include "cluster/servers.h"

#include <memory>
#include <string>

#include "base/address.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "rpc/health.h"

namespace aha::rpc {
namespace {

using ::testing::AllOf;
using ::testing::HasSubstr;
using ::testing::StartsWith;

constexpr absl::Duration kLimit = absl::Seconds(20);

class ServersTest : public ::testing::Test {
 protected:
  ServiceFlags flags_;
  metrics::Registry registry_{"test"};
};

TEST_F(ServersTest, BothServeAtTheirOwnFreePorts) {
  const auto servers = StartServers(flags_, registry_, {});
  ASSERT_TRUE(servers.ok()) << servers.status();
  EXPECT_GT(servers->rpc->port(), 0);
  EXPECT_GT(ParseAddress(servers->metrics_address())->port, 0);
  EXPECT_NE(servers->metrics_address(), servers->rpc->address());
  EXPECT_TRUE(*IsServing(servers->rpc->address(), "liveness", kLimit));
}

TEST_F(ServersTest, WithoutAMetricsAddressThereIsNoEndpoint) {
  flags_.metrics_listen = "";
  const auto servers = StartServers(flags_, registry_, {});
  ASSERT_TRUE(servers.ok()) << servers.status();
  EXPECT_EQ(servers->metrics, nullptr);
  EXPECT_EQ(servers->metrics_address(), "");
}

TEST_F(ServersTest, BothAdvertiseTheHostThatPeersDial) {
  flags_.advertise_host = "node7";
  const auto servers = StartServers(flags_, registry_, {});
  ASSERT_TRUE(servers.ok()) << servers.status();
  EXPECT_THAT(servers->rpc->address(), StartsWith("node7:"));
  EXPECT_THAT(servers->metrics_address(), StartsWith("node7:"));
}

TEST_F(ServersTest, TheHealthAddressBecomesReadyAndUnreadyWithTheServer) {
  flags_.health = *HealthServer::Start("127.0.0.1:0");
  const std::string probed =
      FormatAddress({.host = "127.0.0.1", .port = flags_.health->port()});
  auto servers = StartServers(flags_, registry_, {});
  ASSERT_TRUE(servers.ok()) << servers.status();
  EXPECT_TRUE(*IsServing(probed, "liveness", kLimit));
  EXPECT_FALSE(*IsServing(probed, "readiness", kLimit));
  servers->rpc->SetReady(true);
  EXPECT_TRUE(*IsServing(probed, "readiness", kLimit));
  servers->rpc->Shutdown(absl::ZeroDuration());
  EXPECT_FALSE(*IsServing(probed, "readiness", kLimit));
  EXPECT_TRUE(*IsServing(probed, "liveness", kLimit));
  EXPECT_TRUE(absl::IsNotFound(IsServing(probed, "other", kLimit).status()));
}

TEST_F(ServersTest, APortInUseIsNamedWithItsFlag) {
  const auto first = StartServers(flags_, registry_, {});
  ASSERT_TRUE(first.ok()) << first.status();
  flags_.metrics_listen = first->metrics_address();
  const absl::Status metrics = StartServers(flags_, registry_, {}).status();
  EXPECT_TRUE(absl::IsAlreadyExists(metrics)) << metrics;
  EXPECT_THAT(std::string(metrics.message()),
              AllOf(HasSubstr("--metrics-listen"),
                    HasSubstr(first->metrics_address())));
  flags_.metrics_listen = "127.0.0.1:0";
  flags_.listen = first->rpc->address();
  const absl::Status rpc = StartServers(flags_, registry_, {}).status();
  EXPECT_TRUE(absl::IsAlreadyExists(rpc)) << rpc;
  EXPECT_THAT(std::string(rpc.message()), HasSubstr(first->rpc->address()));
}

}  // namespace
}  // namespace aha::rpc
