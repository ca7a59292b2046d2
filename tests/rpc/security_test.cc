#include "rpc/security.h"

#include <stdlib.h>

#include <fstream>
#include <string>

#include "absl/strings/str_cat.h"
#include "aha/v1/admin.grpc.pb.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "rpc/client.h"
#include "rpc/finish.h"
#include "rpc/server.h"

namespace aha::rpc {
namespace {

using ::testing::HasSubstr;

TEST(SecurityTest, KnowsLoopbackAddresses) {
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

TEST(SecurityTest, RefusesMalformedAddressesByName) {
  for (const char* address : {"", "host", ":1", "host:", "host:x", "host:-1",
                              "host:65536", "::1:80", "[]:1"}) {
    EXPECT_EQ(ParseAddress(address).status().code(),
              absl::StatusCode::kInvalidArgument)
        << address;
  }
  EXPECT_EQ(ParseAddress("[::1]:80")->host, "::1");
}

TEST(SecurityTest, HalfOfTheTlsFilesIsRefusedNamingTheMissingOnes) {
  const Security security{.tls_cert = "a.pem"};
  const absl::Status status = security.Validate();
  EXPECT_EQ(status.code(), absl::StatusCode::kInvalidArgument);
  EXPECT_THAT(std::string(status.message()),
              HasSubstr("missing: --tls-key --tls-ca"));
}

TEST(SecurityTest, AnUnreadableFileIsNamedWithItsFlag) {
  const Security security{
      .tls_cert = "/nonexistent.pem", .tls_key = "k", .tls_ca = "c"};
  const auto credentials = ClientCredentials("host:1", security);
  EXPECT_THAT(std::string(credentials.status().message()),
              HasSubstr("--tls-cert: cannot read '/nonexistent.pem'"));
}

class Admin : public v1::Admin::CallbackService {
  grpc::ServerUnaryReactor* GetJob(grpc::CallbackServerContext* context,
                                   const v1::GetJobRequest*,
                                   v1::JobStatus*) override {
    return Finish(context, [] { return absl::OkStatus(); });
  }
};

// Keys made on the spot by openssl(1), which every Debian with TLS has.
class MutualTlsTest : public ::testing::Test {
 protected:
  void SetUp() override {
    directory_ = absl::StrCat(::testing::TempDir(), "/tls-XXXXXX");
    ASSERT_NE(mkdtemp(directory_.data()), nullptr);
    const std::string key =
        " -newkey ec -pkeyopt ec_paramgen_curve:P-256 "
        "-nodes -days 2 -batch ";
    const std::string command = absl::StrCat(
        "cd ", directory_, " && (openssl req -x509", key,
        "-subj /CN=ca -keyout ca.key -out ca.pem && openssl req", key,
        "-subj /CN=aha -keyout key.pem -out csr.pem && "
        "printf 'subjectAltName=DNS:localhost,IP:127.0.0.1' > ext && "
        "openssl x509 -req -in csr.pem -CA ca.pem -CAkey ca.key "
        "-CAcreateserial -days 2 -extfile ext -out cert.pem && openssl req "
        "-x509",
        key,
        "-subj /CN=other -keyout other.key -out other.pem) "
        ">log 2>&1");
    if (system("command -v openssl >/dev/null") != 0) {
      GTEST_SKIP() << "needs openssl(1)";
    }
    ASSERT_EQ(system(command.c_str()), 0) << command;
  }
  void TearDown() override {
    (void)!system(absl::StrCat("rm -rf ", directory_).c_str());
  }
  Security Of(const std::string& cert, const std::string& key) const {
    return {.tls_cert = directory_ + "/" + cert,
            .tls_key = directory_ + "/" + key,
            .tls_ca = directory_ + "/ca.pem"};
  }
  absl::Status CallWith(const Server& server, const Security& security) const {
    auto client =
        Client::New({.address = server.address(), .security = security});
    if (!client.ok()) return client.status();
    v1::JobStatus response;
    return (*client)->Call("aha.v1.Admin.GetJob", v1::GetJobRequest(),
                           &response, {.total = absl::ZeroDuration()});
  }
  std::string directory_;
};

TEST_F(MutualTlsTest, OnlyTheAuthoritysCertificatesGetIn) {
  Admin admin;
  auto server = Server::Start(
      {.listen = "localhost:0", .security = Of("cert.pem", "key.pem")},
      {&admin});
  ASSERT_TRUE(server.ok()) << server.status();
  EXPECT_TRUE(CallWith(**server, Of("cert.pem", "key.pem")).ok());
  EXPECT_FALSE(CallWith(**server, Of("other.pem", "other.key")).ok());
  EXPECT_FALSE(CallWith(**server, {}).ok());
}

}  // namespace
}  // namespace aha::rpc
