#include "rpc/security.h"

#include <stdlib.h>

#include <memory>
#include <string>
#include <utility>

#include "absl/strings/str_cat.h"
#include "aha/v1/admin.grpc.pb.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "rpc/client.h"
#include "rpc/finish.h"
#include "rpc/server.h"
#include "rpc/speech.h"
#include "tests/temp_dir.h"

namespace aha::rpc {
namespace {

using ::testing::HasSubstr;

TEST(SecurityTest, HalfOfTheTlsFilesIsRefusedNamingTheMissingOnes) {
  const Security security{.tls_cert = "a.pem"};
  const absl::Status status = security.Validate();
  EXPECT_EQ(status.code(), absl::StatusCode::kInvalidArgument);
  EXPECT_THAT(std::string(status.message()),
              HasSubstr("missing: --tls-key --tls-ca"));
}

TEST(SecurityTest, AServerNameWithoutTlsIsRefused) {
  const Security security{.tls_server_name = "aha", .insecure = true};
  const absl::Status status = security.Validate();
  EXPECT_EQ(status.code(), absl::StatusCode::kInvalidArgument);
  EXPECT_THAT(std::string(status.message()),
              HasSubstr("--tls-server-name 'aha' is for TLS"));
}

TEST(SecurityTest, PlainTextBeyondThisMachineIsAUsageErrorWithTheFlags) {
  const absl::Status status = CheckAllowed("10.0.0.7:7000", {});
  EXPECT_TRUE(absl::IsInvalidArgument(status)) << status;
  EXPECT_THAT(std::string(status.message()), HasSubstr("or --insecure"));
  EXPECT_TRUE(CheckAllowed("10.0.0.7:7000", {.insecure = true}).ok());
  EXPECT_TRUE(CheckAllowed("127.0.0.1:7000", {}).ok());
}

TEST(SecurityTest, AnUnreadableFileIsNamedWithItsFlag) {
  const Security security{
      .tls_cert = "/nonexistent.pem", .tls_key = "k", .tls_ca = "c"};
  const auto credentials = ClientCredentials("host:1", security);
  EXPECT_THAT(std::string(credentials.status().message()),
              HasSubstr("--tls-cert: cannot open /nonexistent.pem"));
}

class Admin : public v1::Admin::CallbackService {
  grpc::ServerUnaryReactor* GetJob(grpc::CallbackServerContext* context,
                                   const v1::GetJobRequest*,
                                   v1::JobStatus*) override {
    return Finish(context, [] { return absl::OkStatus(); });
  }
};

// The script that users call makes the certificates.
class MutualTlsTest : public ::testing::Test {
 protected:
  void SetUp() override {
    for (const char* cluster : {"ours", "theirs"}) {
      const std::string command =
          absl::StrCat(AHA_SOURCE_DIR "/deploy/make-certificates ", directory_,
                       "/", cluster, " pod.aha >/dev/null");
      ASSERT_EQ(system(command.c_str()), 0) << command;
    }
    auto server = Server::Start(
        {.listen = "127.0.0.1:0", .security = Of("ours", "coordinator")},
        {&admin_});
    ASSERT_TRUE(server.ok()) << server.status();
    server_ = *std::move(server);
  }
  // Returns `role`'s certificate; it trusts the authority of `cluster`.
  Security Of(const std::string& cluster, const std::string& role) const {
    const std::string base = absl::StrCat(directory_, "/", cluster, "/");
    return {.tls_cert = absl::StrCat(base, role, ".pem"),
            .tls_key = absl::StrCat(base, role, ".key"),
            .tls_ca = base + "ca.pem"};
  }
  absl::Status CallWith(const Security& security) const {
    auto client =
        Client::New({.address = server_->address(), .security = security});
    if (!client.ok()) return client.status();
    v1::JobStatus response;
    return (*client)->Call(&v1::Admin::Stub::GetJob, {}, &response,
                           {.total = absl::ZeroDuration()});
  }
  const TempDir scratch_;
  const std::string& directory_ = scratch_.path();
  Admin admin_;
  std::unique_ptr<Server> server_;
};

TEST_F(MutualTlsTest, OnlyTheAuthoritysCertificatesGetIn) {
  EXPECT_TRUE(CallWith(Of("ours", "admin")).ok());
  EXPECT_EQ(CallWith({}).code(), absl::StatusCode::kUnavailable);
  EXPECT_EQ(CallWith(Of("theirs", "admin")).code(),
            absl::StatusCode::kUnavailable);
  // A certificate of a foreign authority is refused even if its owner trusts
  // our authority.
  Security stranger = Of("theirs", "admin");
  stranger.tls_ca = Of("ours", "admin").tls_ca;
  EXPECT_EQ(CallWith(stranger).code(), absl::StatusCode::kUnavailable);
}

TEST_F(MutualTlsTest, ACertificateOfAnotherRoleIsDeniedNamingBoth) {
  for (const char* role : {"actor", "reward", "learner", "coordinator"}) {
    const absl::Status status = CallWith(Of("ours", role));
    EXPECT_EQ(status.code(), absl::StatusCode::kPermissionDenied) << status;
    EXPECT_THAT(std::string(status.message()),
                HasSubstr("/aha.v1.Admin/GetJob is for the roles admin"));
    EXPECT_THAT(std::string(status.message()),
                HasSubstr(absl::StrCat("certificate has ", role)));
  }
}

TEST_F(MutualTlsTest, WhatAServerSpeaksIsFoundByAsking) {
  EXPECT_EQ(SpeechAt(server_->address(), absl::Seconds(20)), Speech::kTls);
  const auto plain = Server::Start({.listen = "127.0.0.1:0"}, {&admin_});
  ASSERT_TRUE(plain.ok()) << plain.status();
  EXPECT_EQ(SpeechAt((*plain)->address(), absl::Seconds(20)),
            Speech::kPlainText);
  // No process listens at port 1.
  EXPECT_EQ(SpeechAt("127.0.0.1:1", absl::Seconds(20)), Speech::kNothing);
  EXPECT_EQ(SpeechAt("unix:/none", absl::Seconds(20)), Speech::kNothing);
}

// The address is in no certificate, like that of a pod, which is not known
// beforehand.
TEST_F(MutualTlsTest, AServerIsVerifiedByTheNameThatTheCallerExpects) {
  auto elsewhere = Server::Start(
      {.listen = "127.0.0.9:0", .security = Of("ours", "coordinator")},
      {&admin_});
  ASSERT_TRUE(elsewhere.ok()) << elsewhere.status();
  server_ = *std::move(elsewhere);
  Security security = Of("ours", "admin");
  EXPECT_EQ(CallWith(security).code(), absl::StatusCode::kUnavailable);
  security.tls_server_name = "pod.aha";
  EXPECT_TRUE(CallWith(security).ok()) << CallWith(security);
  security.tls_server_name = "pod.other";
  EXPECT_EQ(CallWith(security).code(), absl::StatusCode::kUnavailable);
  security = Of("theirs", "admin");
  security.tls_server_name = "pod.aha";
  EXPECT_EQ(CallWith(security).code(), absl::StatusCode::kUnavailable);
}

}  // namespace
}  // namespace aha::rpc
