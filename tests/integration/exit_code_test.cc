// Each of the four programs ends with exit code 78 if a restart would not help,
// with a line that says what to change.
#include <signal.h>

#include <string>
#include <vector>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_replace.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "tests/integration/local_cluster.h"
#include "tests/integration/small_job.h"

namespace aha::testing {
namespace {

using ::testing::HasSubstr;

constexpr int kRefused = 78;
constexpr absl::Duration kLimit = absl::Minutes(1);
const char* const kMembers[] = {"aha-actor", "aha-reward", "aha-learner"};

class ExitCodeTest : public ::testing::Test {
 protected:
  std::string Path(const std::string& name) const {
    return scratch_.path() + "/" + name;
  }
  std::string Write(const std::string& name, const std::string& text) const {
    return scratch_.Write(name, text);
  }
  // Returns a command line that starts the program successfully.
  std::vector<std::string> CommandOf(const std::string& program) const {
    if (program == "aha-coordinator") {
      return {Binary(program), "--job", Write("job.yaml", kSmallJob),
              "--run-dir", Path("run")};
    }
    return {Binary(program), "--coordinator",
            address_.empty() ? "127.0.0.1:1" : address_};
  }
  void ExpectRefused(const std::string& program,
                     const std::vector<std::string>& more,
                     const std::string& says) const {
    std::vector<std::string> argv = CommandOf(program);
    argv.insert(argv.end(), more.begin(), more.end());
    ExpectRefusedAs(argv, says);
  }
  void ExpectRefusedAs(std::vector<std::string> argv,
                       const std::string& says) const {
    const std::string program = argv[0];
    const CommandResult result = RunCommand(argv, kLimit);
    EXPECT_EQ(result.exit_code, kRefused) << program << ": " << result.output;
    EXPECT_THAT(result.output, HasSubstr(says)) << program;
  }
  void ExpectAllRefuse(const std::vector<std::string>& more,
                       const std::string& says) const {
    ExpectRefused("aha-coordinator", more, says);
    for (const char* program : kMembers) ExpectRefused(program, more, says);
  }
  // Starts a coordinator that members find.
  void StartCoordinator(const std::string& job = kSmallJob) {
    coordinator_ = std::make_unique<Service>(
        std::vector<std::string>{Binary("aha-coordinator"), "--job",
                                 Write("served.yaml", job), "--run-dir",
                                 Path("served")},
        Path("coordinator.out"));
    address_ = AwaitEndpoint(Path("served"));
    ASSERT_NE(address_, "") << ReadFileOrEmpty(Path("coordinator.out"));
  }

  TempDir scratch_;
  std::unique_ptr<Service> coordinator_;
  std::string address_;
};

TEST_F(ExitCodeTest, WrongFlagsAreFinal) {
  ExpectAllRefuse({"--no-such-flag"}, "--no-such-flag");
  ExpectAllRefuse({"--listen", "everywhere"}, "--listen: ");
  ExpectAllRefuse({"--metrics-listen", "127.0.0.1:http"}, "--metrics-listen: ");
  for (const char* program : kMembers) {
    ExpectRefusedAs({Binary(program)}, "--coordinator is required");
    ExpectRefusedAs({Binary(program), "--coordinator", "somewhere"},
                    "--coordinator: ");
  }
  ExpectRefused("aha-learner", {"--rank", "minus one"}, "--rank");
  ExpectRefused("aha-actor", {"--threads", "-1"}, "--threads");
  ExpectRefusedAs({Binary("aha-coordinator")},
                  "[--run-dir,--runs] is required");
}

TEST_F(ExitCodeTest, MissingOrBrokenSecurityIsFinal) {
  ExpectAllRefuse({"--tls-cert", Path("none.pem")}, "tls");
  ExpectAllRefuse({"--tls-cert", Path("none.pem"), "--tls-key",
                   Path("none.pem"), "--tls-ca", Path("none.pem")},
                  "none.pem");
  for (const char* program : {"aha-coordinator", "aha-reward", "aha-learner"}) {
    ExpectRefused(program, {"--listen", "0.0.0.0:0"}, "0.0.0.0");
  }
  for (const char* program : kMembers) {
    ExpectRefusedAs({Binary(program), "--coordinator", "coordinator.example:1"},
                    "coordinator.example");
  }
}

TEST_F(ExitCodeTest, PortsInUseAreFinal) {
  const TakenPort taken;
  ExpectAllRefuse({"--metrics-listen", taken.address()}, taken.address());
  for (const char* program : {"aha-coordinator", "aha-reward", "aha-learner"}) {
    ExpectRefused(program, {"--listen", taken.address()}, taken.address());
  }
}

TEST_F(ExitCodeTest, InvalidJobsAndDirectoriesAreFinal) {
  const auto expect_refused = [&](const std::string& job,
                                  const std::string& directory,
                                  const std::string& says) {
    ExpectRefusedAs(
        {Binary("aha-coordinator"), "--job", job, "--run-dir", directory},
        says);
  };
  const std::string good = Write("good.yaml", kSmallJob);
  const std::string bad = Write(
      "bad.yaml", absl::StrReplaceAll(kSmallJob, {{"seed: 7", "sead: 7"}}));
  expect_refused(Path("none.yaml"), Path("run"), "none.yaml");
  expect_refused(bad, Path("run"), "sead");
  expect_refused(good, good, "--run-dir: cannot make");
  StartCoordinator();
  expect_refused(good, Path("served"), "another coordinator");
}

TEST_F(ExitCodeTest, RanksOutsideTheJobAreFinal) {
  StartCoordinator();
  ExpectRefused("aha-learner", {"--rank", "1"}, "cluster.learners");
}

TEST_F(ExitCodeTest, MissingModelsAreFinal) {
  StartCoordinator(
      absl::StrReplaceAll(kSmallJob, {{kSmallModel, "path: /nowhere"}}));
  for (const char* program : {"aha-learner", "aha-actor"}) {
    ExpectRefused(program, {}, "nowhere");
  }
}

TEST_F(ExitCodeTest, APeerThatIsNotACoordinatorIsFinal) {
  StartCoordinator();
  const Service reward({Binary("aha-reward"), "--coordinator", address_},
                       Path("reward.out"));
  constexpr char kServes[] = "scoring at ";
  std::string log;
  ASSERT_TRUE(Eventually(
      [&] {
        log = ReadFileOrEmpty(Path("reward.out"));
        const size_t at = log.find(kServes);
        return at != std::string::npos && log.find('\n', at) != log.npos;
      },
      kLimit))
      << log;
  const size_t at = log.find(kServes) + sizeof(kServes) - 1;
  address_ = log.substr(at, log.find('\n', at) - at);
  for (const char* program : kMembers) ExpectRefused(program, {}, "Register");
}

// Negative controls: a coordinator that is not up yet and a stop are not
// refusals.
TEST_F(ExitCodeTest, ACleanStopIsZero) {
  for (const std::string program :
       {"aha-coordinator", "aha-actor", "aha-reward", "aha-learner"}) {
    const std::string out = Path(program + ".out");
    Service service(CommandOf(program), out);
    ASSERT_TRUE(
        Eventually([&] { return !ReadFileOrEmpty(out).empty(); }, kLimit))
        << program;
    service.Signal(SIGTERM);
    EXPECT_EQ(service.Wait(kLimit), 0) << program << ReadFileOrEmpty(out);
  }
}

TEST_F(ExitCodeTest, AMemberThatIsAskedToEndWhileTheJobRunsComesBack) {
  const std::string job = Write(
      "job.yaml", absl::StrReplaceAll(kSmallJob, {{"steps: 3", "steps: 24"}}));
  LocalCluster cluster(job, Path("run"), {});
  ASSERT_TRUE(cluster.WaitForSteps(1, kLimit));
  for (const Process& process : cluster.Processes()) {
    if (process.role == "reward") kill(process.pid, SIGTERM);
  }
  EXPECT_EQ(cluster.Wait(kLimit), 0) << cluster.Output();
  EXPECT_THAT(cluster.Output(), HasSubstr("reward-0 restarted"));
}

}  // namespace
}  // namespace aha::testing
