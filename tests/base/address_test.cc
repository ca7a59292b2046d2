#include "base/address.h"

#include <string>

#include "base/host_name.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"

namespace aha {
namespace {

using ::testing::HasSubstr;

TEST(AddressTest, FormatIsTheInverseOfParse) {
  for (const char* text : {"localhost:1", "10.0.0.7:65535", "[::1]:80"}) {
    const auto parsed = ParseAddress(text);
    ASSERT_TRUE(parsed.ok()) << parsed.status();
    EXPECT_EQ(FormatAddress(*parsed), text);
  }
  EXPECT_EQ(*ParseAddress("[::1]:80"), (HostPort{.host = "::1", .port = 80}));
}

TEST(AddressTest, RefusesMalformedAddressesByName) {
  for (const std::string address :
       {"", "host", ":1", "host:", "host:x", "host:-1", "host:65536", "::1:80",
        "[]:1", "host:1 2"}) {
    const absl::Status status = ParseAddress(address).status();
    EXPECT_TRUE(absl::IsInvalidArgument(status)) << address;
    EXPECT_THAT(std::string(status.message()), HasSubstr("'" + address + "'"));
  }
}

TEST(AddressTest, AUrlIsRefusedWithWhatToWrite) {
  for (const char* url :
       {"http://host:7000", "https://host:7000/", "grpc://host:7000/a/b"}) {
    EXPECT_THAT(std::string(ParseAddress(url).status().message()),
                HasSubstr("write 'host:7000'"))
        << url;
  }
}

TEST(AddressTest, KnowsLoopbackAddresses) {
  for (const char* address : {"127.0.0.1:1", "127.9.9.9:1", "localhost:0",
                              "[::1]:5", "unix:/tmp/socket"}) {
    EXPECT_TRUE(IsLoopback(address)) << address;
  }
  for (const char* address :
       {"0.0.0.0:1", "10.0.0.1:1", "127.example.org:1",
        "localhost.example.org:1", "[::]:1", "nonsense"}) {
    EXPECT_FALSE(IsLoopback(address)) << address;
  }
}

TEST(AddressTest, OtherProcessesDialTheAdvertisedHostAndTheBoundPort) {
  EXPECT_EQ(DialAddress("127.0.0.1:0", "", 7001), "127.0.0.1:7001");
  EXPECT_EQ(DialAddress("127.0.0.1:0", "node7", 7001), "node7:7001");
  EXPECT_EQ(DialAddress("0.0.0.0:0", "pod-3", 7001), "pod-3:7001");
  EXPECT_EQ(DialAddress("[::]:0", "fd00::3", 7001), "[fd00::3]:7001");
  EXPECT_EQ(DialAddress("unix:/tmp/socket", "pod-3", 0), "unix:/tmp/socket");
}

TEST(AddressTest, AWildcardIsDialledByTheNameOfThisMachine) {
  for (const char* listen : {"0.0.0.0:0", "[::]:0"}) {
    EXPECT_EQ(DialAddress(listen, "", 7001), HostName() + ":7001") << listen;
  }
}

}  // namespace
}  // namespace aha
