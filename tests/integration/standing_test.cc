// A standing cluster: aha-coordinator --runs, members that are restarted
// whenever they end, and ahactl --address as the only interface.
#include <atomic>
#include <filesystem>
#include <fstream>
#include <thread>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_replace.h"
#include "absl/time/clock.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "tests/integration/local_cluster.h"
#include "tests/integration/small_job.h"
#include "tests/loopback.h"

namespace aha::testing {
namespace {

using ::testing::AllOf;
using ::testing::HasSubstr;
using Arguments = std::vector<std::string>;

constexpr int kStillThere = -1000;  // The result of Service::Wait.

class StandingTest : public ::testing::Test {
 protected:
  StandingTest() {
    Stand();
    Write("job.yaml", kSmallJob);
  }
  ~StandingTest() override {
    over_ = true;
    for (std::thread& member : members_) member.join();
  }

  std::string Path(const std::string& name) const {
    return scratch_.path() + "/" + name;
  }
  std::string Write(const std::string& name, const std::string& text) {
    std::ofstream(Path(name)) << text;
    return Path(name);
  }
  void Stand() {
    coordinator_.reset();
    std::filesystem::remove(Path("runs/endpoint.json"));
    const std::string listen =
        address_.empty() ? OwnLoopback() + ":0" : address_;
    coordinator_ =
        std::make_unique<Service>(Arguments{Binary("aha-coordinator"), "--runs",
                                            Path("runs"), "--listen", listen},
                                  Path("coordinator.out"));
    address_ = AwaitEndpoint(Path("runs"));
    ASSERT_NE(address_, "") << ReadFileOrEmpty(Path("coordinator.out"));
  }
  // Starts one member of each role, and again whenever one ends, as every
  // cluster does.
  void StartMembers() {
    for (const char* program : {"aha-reward", "aha-learner", "aha-actor"}) {
      members_.emplace_back([this, program] {
        while (!over_) RunMember(program);
      });
    }
  }
  void RunMember(const char* program) {
    Service member({Binary(program), "--coordinator", address_},
                   Path(absl::StrCat(program, ".out")));
    while (!over_ && member.Wait(absl::Milliseconds(20)) == kStillThere) {
    }
  }
  CommandResult Ahactl(Arguments arguments) const {
    arguments.insert(arguments.begin(),
                     {Binary("ahactl"), "--address", address_});
    return RunCommand(arguments);
  }
  void Expect(int code, const std::string& text,
              const Arguments& arguments) const {
    const CommandResult result = Ahactl(arguments);
    EXPECT_EQ(result.exit_code, code) << result.output;
    EXPECT_THAT(result.output, HasSubstr(text));
  }

  TempDir scratch_;
  std::string address_;
  std::unique_ptr<Service> coordinator_;
  std::atomic<bool> over_{false};
  std::vector<std::thread> members_;
};

TEST_F(StandingTest, JobsRunOneAfterAnotherAndAhactlSeesEverythingRemotely) {
  StartMembers();
  const std::string job = Path("job.yaml");
  Expect(0, "submitted to " + address_, {"submit", job, "--set", "name=one"});
  Expect(0, "job/one succeeded", {"job", "wait", "one"});
  Expect(0, "job/two", {"submit", job, "--set", "name=two"});
  Expect(0, "succeeded", {"job", "wait", "two", "--timeout", "100"});
  for (const char* name : {"one", "two"}) {
    Expect(0, "\"state\": \"succeeded\"", {"job", "get", name, "-o", "json"});
    Expect(0, "checkpoints/step-", {"job", "describe", name});
    Expect(0, "succeeded", {"job", "events", name});
    Expect(0, "COMPLETIONS", {"rollout", "list", name});
    Expect(0, "completions", {"rollout", "show", name});
  }
  const CommandResult list = Ahactl({"job", "list"});
  EXPECT_THAT(list.output, AllOf(HasSubstr("one "), HasSubstr("two ")));
  // The promise holds here too: one job, one checksum.
  const auto checksum = [&](const std::string& run) {
    return nlohmann::json::parse(
        ReadFileOrEmpty(absl::StrCat(Path("runs/"), run, "/summary.json")),
        nullptr, false)["checksum"];
  };
  EXPECT_EQ(checksum("one"), checksum("two"));
  LocalCluster local(job, Path("local"), {"--quiet"});
  EXPECT_EQ(local.Wait(absl::Minutes(2)), 0) << local.Output();
  EXPECT_EQ(checksum("one"), local.Summary()["checksum"]);
}

TEST_F(StandingTest, ItsJobSurvivesOtherSubmissionsAndACrash) {
  const std::string job = Path("job.yaml");
  Expect(0, "submitted", {"submit", job});
  // There is no member, so the job waits.
  Expect(3, "unchanged", {"submit", job});
  Expect(5, "the coordinator has another job: ",
         {"submit", job, "--set", "name=other"});
  Expect(5, "the coordinator has another job: ",
         {"submit", job, "--set", "seed=8"});
  Stand();  // This kills it and starts it again.
  Expect(3, "unchanged", {"submit", job});
  StartMembers();
  Expect(0, "succeeded", {"job", "wait"});
  // A submission under the same name cannot overwrite its run.
  Expect(5, "which has succeeded", {"submit", job});
  Expect(5, "of another job", {"submit", job, "--set", "seed=8"});
}

TEST_F(StandingTest, ADiskFailureAtItsStartDoesNotLoseTheJob) {
  Expect(0, "submitted", {"submit", Path("job.yaml")});
  coordinator_.reset();  // This kills it.
  // While this file exists, no directory of this name can be made or read.
  const std::string weights = Path("runs/small/weights");
  std::filesystem::remove_all(weights);
  Write("runs/small/weights", "");
  const CommandResult failed = RunCommand({Binary("aha-coordinator"), "--runs",
                                           Path("runs"), "--listen", address_});
  EXPECT_EQ(failed.exit_code, 1) << failed.output;
  EXPECT_THAT(failed.output, HasSubstr("small/weights"));
  std::filesystem::remove(weights);
  Stand();
  Expect(3, "unchanged", {"submit", Path("job.yaml")});
}

TEST_F(StandingTest, ACurrentJobWhoseRunIsMissingIsReportedAndGivenUp) {
  for (const std::string name : {"", "gone"}) {
    coordinator_.reset();
    Write("runs/.current", name);
    Stand();
    Expect(4, ".current: names", {"job", "get"});
    EXPECT_FALSE(std::filesystem::exists(Path("runs/.current")));
  }
  Expect(0, "submitted", {"submit", Path("job.yaml")});
}

TEST_F(StandingTest, BadSubmissionsAreOneLineAndChangeNothing) {
  Expect(2, "sead: unknown key", {"submit", Write("a.yaml", "sead: 7\n")});
  Expect(2, "none.yaml", {"submit", Path("none.yaml")});
  // The job is valid here, but the cluster lacks the file and says so.
  const std::string prompts =
      Write("b.yaml",
            absl::StrReplaceAll(kSmallJob, {{"generated: {min_operations: 1, "
                                             "max_operations: 1}",
                                             "file: no.jsonl"}}));
  Expect(2, "prompts.file: cannot open no.jsonl", {"submit", prompts});
  Expect(5, "holds no run of job", {"submit", Path("job.yaml"), "--resume"});
  Expect(4, "the cluster has no job", {"job", "get"});
  Expect(4, "the cluster has no job", {"job", "stop"});
  Expect(4, "knows no job \"x\"; it has none", {"job", "get", "x"});
  Expect(2, "only `ahactl run`", {"actor", "add"});
  Expect(0, "no jobs at", {"job", "list"});
  EXPECT_FALSE(std::filesystem::exists(Path("runs/small")));
}

TEST_F(StandingTest, AMissingCoordinatorIsReportedSoon) {
  const absl::Time start = absl::Now();
  const CommandResult result =
      RunCommand({Binary("ahactl"), "submit", Path("job.yaml"), "--address",
                  "127.0.0.1:1"});
  EXPECT_EQ(result.exit_code, 7) << result.output;
  EXPECT_THAT(result.output, HasSubstr("127.0.0.1:1"));
  EXPECT_LT(absl::Now() - start, absl::Seconds(40));
  const CommandResult nowhere =
      RunCommand({Binary("ahactl"), "submit", Path("job.yaml")});
  EXPECT_EQ(nowhere.exit_code, 2) << nowhere.output;
  EXPECT_THAT(nowhere.output, HasSubstr("AHA_ADDRESS"));
}

}  // namespace
}  // namespace aha::testing
