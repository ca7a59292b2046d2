#include "rpc/metrics.h"

#include <arpa/inet.h>
#include <sys/socket.h>
#include <unistd.h>

#include <string>
#include <vector>

#include "absl/time/clock.h"
#include "absl/time/time.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "rpc/security.h"

namespace aha::rpc {
namespace {

using ::testing::HasSubstr;

int Connect(const std::string& address) {
  const int port = ParseAddress(address)->port;
  const int fd = socket(AF_INET, SOCK_STREAM, 0);
  sockaddr_in to{};
  to.sin_family = AF_INET;
  to.sin_port = htons(static_cast<uint16_t>(port));
  to.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  if (connect(fd, reinterpret_cast<sockaddr*>(&to), sizeof(to)) == 0) return fd;
  close(fd);
  return -1;
}

std::string Get(const std::string& address) {
  const int fd = Connect(address);
  if (fd < 0) return "";
  const std::string request = "GET /metrics HTTP/1.0\r\n\r\n";
  (void)!write(fd, request.data(), request.size());
  std::string text;
  char buffer[4096];
  for (ssize_t n; (n = read(fd, buffer, sizeof(buffer))) > 0;) {
    text.append(buffer, static_cast<size_t>(n));
  }
  close(fd);
  return text;
}

TEST(MetricsTest, SeriesExistAtZeroBeforeAnythingHappened) {
  Metrics metrics("test");
  metrics.AddCounter("aha_steps_total", "Steps done.");
  EXPECT_THAT(metrics.Text(), HasSubstr("aha_steps_total 0"));
  EXPECT_THAT(metrics.Text(), HasSubstr("program=\"test\""));
}

TEST(MetricsTest, TheSameNameAndLabelsAreTheSameSeries) {
  Metrics metrics("test");
  metrics.AddCounter("aha_waits_total", "Waits.", {{"for", "group"}})
      .Increment(2);
  metrics.AddCounter("aha_waits_total", "Waits.", {{"for", "group"}})
      .Increment();
  EXPECT_THAT(metrics.Text(), HasSubstr("aha_waits_total{for=\"group\"} 3"));
}

TEST(MetricsTest, AHandleThatWasNeverAddedCountsNothing) {
  Counter counter;
  counter.Increment();
  EXPECT_EQ(counter.Value(), 0);
}

TEST(MetricsServerTest, ServesTheSeriesOnAFreePort) {
  Metrics metrics("test");
  metrics.AddGauge("aha_members", "Members.").Set(4);
  auto server = MetricsServer::Start("127.0.0.1:0", metrics);
  ASSERT_TRUE(server.ok()) << server.status();
  const std::string text = Get((*server)->address());
  EXPECT_THAT(text, HasSubstr("200 OK"));
  EXPECT_THAT(text, HasSubstr("aha_members 4"));
  EXPECT_THAT(text, HasSubstr("process_resident_memory_bytes"));
}

TEST(MetricsServerTest, SeriesThatWereAddedAreShownUntilTheyAreDestroyed) {
  Metrics process("test");
  auto server = MetricsServer::Start("127.0.0.1:0", process);
  ASSERT_TRUE(server.ok()) << server.status();
  for (const char* job : {"one", "two"}) {
    Metrics of_job;
    of_job.AddGauge("aha_step", "Step.", {{"job", job}}).Set(7);
    (*server)->Add(of_job);
    const std::string text = Get((*server)->address());
    EXPECT_THAT(text, HasSubstr(absl::StrCat("aha_step{job=\"", job, "\"} 7")));
    EXPECT_EQ(text.find("aha_step{"), text.rfind("aha_step{")) << text;
  }
  EXPECT_THAT(Get((*server)->address()),
              ::testing::Not(HasSubstr("aha_step{")));
}

TEST(MetricsServerTest, IdleConnectionsDelayNoRequest) {
  Metrics metrics("test");
  auto server = MetricsServer::Start("127.0.0.1:0", metrics);
  ASSERT_TRUE(server.ok()) << server.status();
  std::vector<int> idle;
  for (int i = 0; i < 20; ++i) idle.push_back(Connect((*server)->address()));
  const absl::Time start = absl::Now();
  EXPECT_THAT(Get((*server)->address()), HasSubstr("200 OK"));
  // With HTTP's default timeout each of them would take 30 s.
  EXPECT_LT(absl::Now() - start, absl::Seconds(25));
  for (const int fd : idle) close(fd);
}

TEST(MetricsServerTest, ItsPublicAddressHasAHostThatPeersCanReach) {
  Metrics metrics("test");
  const auto named = MetricsServer::Start("127.0.0.1:0", metrics, "node7");
  ASSERT_TRUE(named.ok()) << named.status();
  EXPECT_THAT((*named)->address(), ::testing::StartsWith("node7:"));
  const auto any = MetricsServer::Start("0.0.0.0:0", metrics);
  ASSERT_TRUE(any.ok()) << any.status();
  EXPECT_THAT((*any)->address(), ::testing::Not(HasSubstr("0.0.0.0")));
}

TEST(MetricsServerTest, APortInUseIsNamed) {
  Metrics metrics("test");
  auto first = MetricsServer::Start("127.0.0.1:0", metrics);
  ASSERT_TRUE(first.ok());
  const auto second = MetricsServer::Start((*first)->address(), metrics);
  EXPECT_EQ(second.status().code(), absl::StatusCode::kAlreadyExists);
  EXPECT_THAT(std::string(second.status().message()),
              HasSubstr((*first)->address()));
}

}  // namespace
}  // namespace aha::rpc
