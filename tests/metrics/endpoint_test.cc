#include "metrics/endpoint.h"

#include <arpa/inet.h>
#include <sys/socket.h>
#include <unistd.h>

#include <string>
#include <vector>

#include "absl/strings/str_cat.h"
#include "absl/time/clock.h"
#include "absl/time/time.h"
#include "base/address.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"

namespace aha::metrics {
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

std::string Get(const std::string& address,
                const std::string& path = "/metrics") {
  const int fd = Connect(address);
  if (fd < 0) return "";
  const std::string request = "GET " + path + " HTTP/1.0\r\n\r\n";
  (void)!write(fd, request.data(), request.size());
  std::string text;
  char buffer[4096];
  for (ssize_t n; (n = read(fd, buffer, sizeof(buffer))) > 0;) {
    text.append(buffer, static_cast<size_t>(n));
  }
  close(fd);
  return text;
}

TEST(EndpointTest, ServesTheSeriesOnAFreePort) {
  Registry registry("test");
  registry.AddGauge("aha_members", "Members.").Set(4);
  auto endpoint = Endpoint::Start("127.0.0.1:0", registry);
  ASSERT_TRUE(endpoint.ok()) << endpoint.status();
  const std::string text = Get((*endpoint)->address());
  EXPECT_THAT(text, HasSubstr("200 OK"));
  EXPECT_THAT(text, HasSubstr("aha_members 4"));
  EXPECT_THAT(text, HasSubstr("process_resident_memory_bytes"));
}

TEST(EndpointTest, SeriesThatWereAddedAreShownUntilTheyAreDestroyed) {
  Registry process("test");
  auto endpoint = Endpoint::Start("127.0.0.1:0", process);
  ASSERT_TRUE(endpoint.ok()) << endpoint.status();
  for (const char* job : {"one", "two"}) {
    Registry of_job;
    of_job.AddGauge("aha_step", "Step.", {{"job", job}}).Set(7);
    (*endpoint)->Add(of_job);
    const std::string text = Get((*endpoint)->address());
    EXPECT_THAT(text, HasSubstr(absl::StrCat("aha_step{job=\"", job, "\"} 7")));
    EXPECT_EQ(text.find("aha_step{"), text.rfind("aha_step{")) << text;
  }
  EXPECT_THAT(Get((*endpoint)->address()),
              ::testing::Not(HasSubstr("aha_step{")));
}

TEST(EndpointTest, IdleConnectionsDelayNoRequest) {
  Registry registry("test");
  auto endpoint = Endpoint::Start("127.0.0.1:0", registry);
  ASSERT_TRUE(endpoint.ok()) << endpoint.status();
  std::vector<int> idle;
  for (int i = 0; i < 20; ++i) idle.push_back(Connect((*endpoint)->address()));
  const absl::Time start = absl::Now();
  EXPECT_THAT(Get((*endpoint)->address()), HasSubstr("200 OK"));
  // With HTTP's default timeout each of them would take 30 s.
  EXPECT_LT(absl::Now() - start, absl::Seconds(25));
  for (const int fd : idle) close(fd);
}

TEST(EndpointTest, ItsPublicAddressHasAHostThatPeersCanReach) {
  Registry registry("test");
  const auto named = Endpoint::Start("127.0.0.1:0", registry, "node7");
  ASSERT_TRUE(named.ok()) << named.status();
  EXPECT_THAT((*named)->address(), ::testing::StartsWith("node7:"));
  const auto any = Endpoint::Start("0.0.0.0:0", registry);
  ASSERT_TRUE(any.ok()) << any.status();
  EXPECT_THAT((*any)->address(), ::testing::Not(HasSubstr("0.0.0.0")));
}

TEST(EndpointTest, APortInUseIsNamed) {
  Registry registry("test");
  auto first = Endpoint::Start("127.0.0.1:0", registry);
  ASSERT_TRUE(first.ok());
  const auto second = Endpoint::Start((*first)->address(), registry);
  EXPECT_EQ(second.status().code(), absl::StatusCode::kAlreadyExists);
  EXPECT_THAT(std::string(second.status().message()),
              HasSubstr((*first)->address()));
}

TEST(EndpointTest, EachScrapeReadsTheValuesOfItsTime) {
  Registry registry("test");
  const Counter steps = registry.AddCounter("aha_steps_total", "Steps done.");
  auto endpoint = Endpoint::Start("127.0.0.1:0", registry);
  ASSERT_TRUE(endpoint.ok()) << endpoint.status();
  EXPECT_THAT(Get((*endpoint)->address()), HasSubstr("aha_steps_total 0"));
  steps.Increment(3);
  // A series that is added late is served, too.
  registry.AddGauge("aha_late", "Added after the start.").Set(7);
  const std::string text = Get((*endpoint)->address());
  EXPECT_THAT(text, HasSubstr("aha_steps_total 3"));
  EXPECT_THAT(text, HasSubstr("aha_late 7"));
}

TEST(EndpointTest, OtherPathsAreNotFound) {
  Registry registry("test");
  auto endpoint = Endpoint::Start("127.0.0.1:0", registry);
  ASSERT_TRUE(endpoint.ok()) << endpoint.status();
  EXPECT_THAT(Get((*endpoint)->address(), "/"), HasSubstr(" 404 "));
}

TEST(EndpointTest, AnAddressThatIsNoneIsRefusedNamingIt) {
  Registry registry("test");
  const absl::Status status = Endpoint::Start("nowhere", registry).status();
  EXPECT_TRUE(absl::IsInvalidArgument(status)) << status;
  EXPECT_THAT(std::string(status.message()), HasSubstr("'nowhere'"));
}

// Without connections to itself, each end would take the HTTP library up to
// 2 s.
TEST(EndpointTest, ItsEndIsPromptAndFreesThePort) {
  Registry registry("test");
  std::string address = "127.0.0.1:0";
  const absl::Time start = absl::Now();
  for (int i = 0; i < 8; ++i) {
    auto endpoint = Endpoint::Start(address, registry);
    ASSERT_TRUE(endpoint.ok()) << endpoint.status();
    address = (*endpoint)->address();
    EXPECT_THAT(Get(address), HasSubstr("200 OK"));
  }
  EXPECT_LT(absl::Now() - start, absl::Seconds(8));
  EXPECT_EQ(Connect(address), -1);
}

}  // namespace
}  // namespace aha::metrics
