// Runs a whole job over mutual TLS with the real programs. Its checksum is the
// same as without TLS, and a process without a certificate, or with that of
// another role, is refused at once.
#include <fstream>
#include <memory>
#include <string>
#include <vector>

#include "absl/strings/str_cat.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "tests/integration/local_cluster.h"
#include "tests/integration/small_job.h"

namespace aha::testing {
namespace {

using ::testing::HasSubstr;

constexpr absl::Duration kLimit = absl::Minutes(2);
constexpr int kRefused = 78;

class TlsTest : public ::testing::Test {
 protected:
  void SetUp() override {
    std::ofstream(job_) << kSmallJob;
    const CommandResult made = RunCommand(
        {SourceFile("deploy/make-certificates"), scratch_.path() + "/tls"});
    ASSERT_EQ(made.exit_code, 0) << made.output;
  }

  std::vector<std::string> With(std::vector<std::string> argv,
                                const std::string& role) const {
    const std::string base = scratch_.path() + "/tls/";
    for (std::string argument :
         {std::string("--tls-cert"), absl::StrCat(base, role, ".pem"),
          std::string("--tls-key"), absl::StrCat(base, role, ".key"),
          std::string("--tls-ca"), base + "ca.pem"}) {
      argv.push_back(std::move(argument));
    }
    return argv;
  }

  // Returns a service that joins the coordinator with the certificate of
  // `certificate`.
  std::vector<std::string> Member(const std::string& role,
                                  const std::string& certificate) const {
    return With({Binary("aha-" + role), "--coordinator", address_, "--name",
                 role + "-0"},
                certificate);
  }

  void StartCoordinator() {
    coordinator_ = std::make_unique<Service>(
        With({Binary("aha-coordinator"), "--job", job_, "--run-dir", run_},
             "coordinator"),
        scratch_.path() + "/coordinator.out");
    address_ = AwaitEndpoint(run_);
    ASSERT_NE(address_, "")
        << ReadFileOrEmpty(scratch_.path() + "/coordinator.out");
  }

  const TempDir scratch_;
  const std::string job_ = scratch_.path() + "/job.yaml";
  const std::string run_ = scratch_.path() + "/run";
  std::string address_;
  std::unique_ptr<Service> coordinator_;
};

TEST_F(TlsTest, AJobOverMutualTlsHasTheChecksumOfOneWithout) {
  const CommandResult plain =
      RunCommand({Binary("ahactl"), "run", job_, "--dir", run_ + "-plain"});
  ASSERT_EQ(plain.exit_code, 0) << plain.output;

  StartCoordinator();
  const Service reward(Member("reward", "reward"), scratch_.path() + "/r.out");
  const Service learner(Member("learner", "learner"),
                        scratch_.path() + "/l.out");
  const Service actor(Member("actor", "actor"), scratch_.path() + "/a.out");
  ASSERT_TRUE(Eventually(
      [this] { return !ReadFileOrEmpty(run_ + "/summary.json").empty(); },
      kLimit))
      << ReadFileOrEmpty(scratch_.path() + "/l.out");
  const auto over_tls =
      nlohmann::json::parse(ReadFileOrEmpty(run_ + "/summary.json"));
  const auto without =
      nlohmann::json::parse(ReadFileOrEmpty(run_ + "-plain/summary.json"));
  EXPECT_EQ(over_tls.value("state", ""), "succeeded");
  EXPECT_EQ(over_tls.value("checksum", "a"), without.value("checksum", "b"));
}

TEST_F(TlsTest, AServiceWithAnotherRolesCertificateIsRefusedFinally) {
  StartCoordinator();
  const CommandResult impostor = RunCommand(Member("learner", "actor"), kLimit);
  EXPECT_EQ(impostor.exit_code, kRefused) << impostor.output;
  EXPECT_THAT(impostor.output, HasSubstr("the message says learner"));
  EXPECT_THAT(impostor.output, HasSubstr("has the roles actor"));
}

TEST_F(TlsTest, AhactlNeedsAnAdministratorsCertificate) {
  StartCoordinator();
  const std::vector<std::string> get = {Binary("ahactl"), "job", "get",
                                        "--address", address_};
  const CommandResult admin = RunCommand(With(get, "admin"), kLimit);
  EXPECT_EQ(admin.exit_code, 0) << admin.output;
  const CommandResult actor = RunCommand(With(get, "actor"), kLimit);
  EXPECT_EQ(actor.exit_code, 6) << actor.output;  // Permission denied.
  EXPECT_THAT(actor.output, HasSubstr("is for the roles admin"));
  const CommandResult anonymous = RunCommand(get, kLimit);
  EXPECT_EQ(anonymous.exit_code, 7) << anonymous.output;  // Unavailable.
}

}  // namespace
}  // namespace aha::testing
