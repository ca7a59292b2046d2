// The ahactl binary as a user meets it, with shell scripts for services.
#include <fcntl.h>
#include <signal.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <nlohmann/json.hpp>

#include "absl/strings/match.h"
#include "absl/strings/str_join.h"
#include "absl/strings/str_replace.h"
#include "absl/strings/str_split.h"
#include "base/file_io.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "tests/cli/fake_services.h"

namespace aha::cli {
namespace {

using ::testing::HasSubstr;
using ::testing::Not;

constexpr char kJob[] = R"(name: tiny
model:
  architecture: {hidden_size: 32, intermediate_size: 64, num_hidden_layers: 2,
                 num_attention_heads: 2, num_key_value_heads: 2}
prompts:
  generated: {}
rewards:
  - {type: accuracy}
stages:
  - {name: zero, type: grpo, grpo: {steps: 4, prompts_per_step: 2,
                                    num_generations: 2}}
)";

struct Outcome {
  int code = -1;
  std::string out;
  std::string err;
};

class AhactlTest : public ::testing::Test {
 protected:
  void SetUp() override {
    job_ = services_.dir().Write("job.yaml", kJob);
    std::filesystem::remove(services_.run_dir());
  }
  void TearDown() override {
    for (pid_t pid : running_) {
      ::kill(pid, SIGKILL);
      ::waitpid(pid, nullptr, 0);
    }
  }

  // Starts ahactl; its output goes to out.txt and err.txt of the test.
  pid_t Start(std::vector<std::string> arguments) {
    arguments.insert(arguments.begin(), AHA_BIN_DIR "/ahactl");
    const std::string out = services_.dir().path() + "/out.txt";
    const std::string err = services_.dir().path() + "/err.txt";
    const pid_t pid = ::fork();
    if (pid == 0) {
      ::setenv("AHA_BIN_DIR", services_.bin().c_str(), 1);
      if (::chdir(services_.dir().path().c_str()) != 0) ::_exit(126);
      ::dup2(::open(out.c_str(), O_WRONLY | O_CREAT | O_TRUNC, 0644), 1);
      ::dup2(::open(err.c_str(), O_WRONLY | O_CREAT | O_TRUNC, 0644), 2);
      std::vector<char*> argv;
      for (std::string& argument : arguments) argv.push_back(argument.data());
      argv.push_back(nullptr);
      ::execv(argv[0], argv.data());
      ::_exit(127);
    }
    running_.insert(running_.end(), pid);
    return pid;
  }
  Outcome Finish(pid_t pid) {
    int status = 0;
    EXPECT_TRUE(FakeServices::Eventually(
        [&] { return ::waitpid(pid, &status, WNOHANG) == pid; }));
    std::erase(running_, pid);
    Outcome outcome;
    outcome.code = WIFEXITED(status) ? WEXITSTATUS(status) : -1;
    outcome.out = *ReadWholeFile(services_.dir().path() + "/out.txt");
    outcome.err = *ReadWholeFile(services_.dir().path() + "/err.txt");
    return outcome;
  }
  Outcome Ahactl(std::vector<std::string> arguments) {
    return Finish(Start(std::move(arguments)));
  }

  pid_t StartRun(std::vector<std::string> more = {}) {
    std::vector<std::string> arguments = {"run", job_, "--dir",
                                          services_.run_dir()};
    arguments.insert(arguments.end(), more.begin(), more.end());
    return Start(arguments);
  }
  bool Up() {
    return FakeServices::Eventually([this] {
      return services_.PidOf("actor-0") != 0 &&
             services_.PidOf("learner-0") != 0 &&
             services_.PidOf("reward-0") != 0;
    });
  }
  std::vector<pid_t> ClusterPids() const {
    const auto endpoint = RunDirectory(services_.run_dir()).ReadEndpoint();
    return {services_.PidOf("actor-0"), services_.PidOf("learner-0"),
            services_.PidOf("reward-0"), endpoint.ok() ? endpoint->pid : 0};
  }
  static bool AllGone(const std::vector<pid_t>& pids) {
    return FakeServices::Eventually(
        [&] { return std::none_of(pids.begin(), pids.end(), ProcessIsAlive); });
  }

  FakeServices services_;
  std::string job_;
  std::vector<pid_t> running_;
};

TEST_F(AhactlTest, ARunEndsWithItsReportAndChecksum) {
  const pid_t run = StartRun();
  ASSERT_TRUE(Up());
  services_.End(0);
  const Outcome outcome = Finish(run);
  EXPECT_EQ(outcome.code, 0) << outcome.err;
  EXPECT_THAT(outcome.out, HasSubstr("job tiny succeeded"));
  EXPECT_THAT(outcome.out, HasSubstr("\nchecksum c0ffee\n"));
  EXPECT_THAT(outcome.out, Not(HasSubstr("\x1b")));
  const auto summary = ReadJsonFile(services_.run_dir() + "/summary.json");
  EXPECT_GT(NumberOr(*summary, "peak_rss_bytes", 0), 1e6);
}

TEST_F(AhactlTest, NothingSurvivesASigkillOfAhactl) {
  const pid_t run = StartRun();
  ASSERT_TRUE(Up());
  const std::vector<pid_t> pids = ClusterPids();
  for (pid_t pid : pids) ASSERT_TRUE(ProcessIsAlive(pid));
  ::kill(run, SIGKILL);
  EXPECT_TRUE(AllGone(pids));
}

TEST_F(AhactlTest, AKilledActorIsRestartedAndTheEventIsKept) {
  const pid_t run = StartRun();
  ASSERT_TRUE(Up());
  const pid_t first = services_.PidOf("actor-0");
  ::kill(first, SIGKILL);
  ASSERT_TRUE(FakeServices::Eventually(
      [&] { return services_.PidOf("actor-0") != first; }));
  services_.End(0);
  const Outcome outcome = Finish(run);
  EXPECT_EQ(outcome.code, 0);
  EXPECT_THAT(outcome.out, HasSubstr("actor-0 died: signal 9 (Killed)"));
  EXPECT_THAT(*ReadWholeFile(services_.run_dir() + "/events.jsonl"),
              HasSubstr("\"event\":\"process restarted\""));
}

TEST_F(AhactlTest, ASecondInterruptKillsAtOnce) {
  services_.dir().Write("bin/stubborn", "");
  services_.Install(
      "aha-coordinator",
      absl::StrReplaceAll(kFakeCoordinator,
                          {{"trap 'exit 0' TERM", "trap '' TERM"}}));
  const pid_t run = StartRun();
  ASSERT_TRUE(Up());
  const std::vector<pid_t> pids = ClusterPids();
  ::kill(run, SIGINT);
  ASSERT_TRUE(FakeServices::Eventually([this] {
    return absl::StrContains(
        *ReadWholeFile(services_.dir().path() + "/out.txt"),
        "press Ctrl-C again");
  }));
  ::kill(run, SIGINT);
  const Outcome outcome = Finish(run);
  EXPECT_EQ(outcome.code, 130);
  EXPECT_THAT(outcome.out, HasSubstr("ahactl run --resume --dir"));
  EXPECT_TRUE(AllGone(pids));
}

TEST_F(AhactlTest, TheDeathOfTheCoordinatorEndsTheRunWithItsLastWords) {
  const pid_t run = StartRun();
  ASSERT_TRUE(Up());
  const std::vector<pid_t> pids = ClusterPids();
  ::kill(pids[3], SIGKILL);
  const Outcome outcome = Finish(run);
  EXPECT_EQ(outcome.code, 1);
  EXPECT_THAT(outcome.err, HasSubstr("coordinator: signal 9 (Killed)"));
  EXPECT_THAT(outcome.err, HasSubstr("fake coordinator speaks"));
  EXPECT_THAT(outcome.err, HasSubstr("ahactl run --resume --dir"));
  EXPECT_TRUE(AllGone(pids));
}

TEST_F(AhactlTest, ADetachedClusterOutlivesTheCallAndIsStoppedBySignal) {
  const Outcome outcome =
      Ahactl({"run", job_, "--dir", services_.run_dir(), "--detach"});
  ASSERT_EQ(outcome.code, 0) << outcome.err;
  EXPECT_THAT(outcome.out, HasSubstr("ahactl job watch --dir"));
  ASSERT_TRUE(Up());
  const auto processes = RunDirectory(services_.run_dir()).ReadProcesses();
  ASSERT_TRUE(processes.ok());
  const pid_t supervisor = processes->at(0).pid;
  EXPECT_EQ(processes->at(0).role, "supervisor");
  const std::vector<pid_t> pids = ClusterPids();
  ::kill(supervisor, SIGKILL);
  EXPECT_TRUE(AllGone(pids));
}

TEST_F(AhactlTest, ActorsAreAddedThroughTheSupervisor) {
  const pid_t run = StartRun();
  ASSERT_TRUE(Up());
  const pid_t add = Start({"actor", "add", "--dir", services_.run_dir()});
  int status = 0;
  ASSERT_EQ(::waitpid(add, &status, 0), add);
  std::erase(running_, add);
  EXPECT_EQ(WEXITSTATUS(status), 0);
  EXPECT_TRUE(FakeServices::Eventually(
      [this] { return services_.PidOf("actor-1") != 0; }));
  services_.End(0);
  int run_status = 0;
  ASSERT_EQ(::waitpid(run, &run_status, 0), run);
  std::erase(running_, run);
  EXPECT_EQ(WEXITSTATUS(run_status), 0);
}

TEST_F(AhactlTest, ADirectoryThatHoldsARunIsNotOverwritten) {
  const pid_t run = StartRun();
  ASSERT_TRUE(Up());
  services_.End(0);
  ASSERT_EQ(Finish(run).code, 0);
  const Outcome again = Ahactl({"run", job_, "--dir", services_.run_dir()});
  EXPECT_EQ(again.code, 5);
  EXPECT_THAT(again.err, HasSubstr("--resume"));
  const Outcome other = Ahactl({"run", job_, "--dir", services_.run_dir(),
                                "--resume", "--set", "seed=99"});
  EXPECT_EQ(other.code, 5);
  EXPECT_THAT(other.err, HasSubstr("holds another job (\"tiny\""));
  const Outcome done =
      Ahactl({"run", "--dir", services_.run_dir(), "--resume"});
  EXPECT_EQ(done.code, 0);
  EXPECT_THAT(done.out, HasSubstr("checksum c0ffee"));
}

TEST_F(AhactlTest, TwoRunsCannotShareADirectory) {
  StartRun();
  ASSERT_TRUE(Up());
  const Outcome second =
      Ahactl({"run", job_, "--dir", services_.run_dir(), "--resume"});
  EXPECT_EQ(second.code, 5);
  EXPECT_THAT(second.err, HasSubstr("is in use by another `ahactl run`"));
}

TEST_F(AhactlTest, BadJobsAndBadUsageAreExitCode2WithOneLine) {
  const std::string bad = services_.dir().Write(
      "bad.yaml", absl::StrReplaceAll(kJob, {{"steps: 4", "steps: 0"}}));
  for (const std::vector<std::string>& arguments :
       {std::vector<std::string>{"run", bad},
        {"run", "none.yaml"},
        {"run"},
        {"run", job_, "--actors", "0"},
        {"run", job_, "--set", "sede=3"},
        {"run", job_, "--bogus"},
        {"job", "bogus"},
        {"job", "list", "-o", "xml"},
        {"config", "validate", bad}}) {
    const Outcome outcome = Ahactl(arguments);
    EXPECT_EQ(outcome.code, 2) << absl::StrJoin(arguments, " ");
    EXPECT_EQ(std::count(outcome.err.begin(), outcome.err.end(), '\n'), 1)
        << outcome.err;
    EXPECT_EQ(outcome.out, "");
  }
  EXPECT_FALSE(std::filesystem::exists(services_.dir().path() + "/runs"));
}

TEST_F(AhactlTest, UnknownAndUnreachableJobsHaveTheirExitCodes) {
  EXPECT_EQ(Ahactl({"job", "get", "none"}).code, 4);
  EXPECT_EQ(Ahactl({"rollout", "show", "none"}).code, 4);
  EXPECT_EQ(Ahactl({"actor", "add", "--dir", "nowhere"}).code, 4);
  services_.dir().Write("runs/tiny/job.yaml", kJob);
  const Outcome listed = Ahactl({"job", "list"});
  EXPECT_EQ(listed.code, 0);
  EXPECT_THAT(listed.out, HasSubstr("interrupted"));
  EXPECT_EQ(Ahactl({"job", "pause", "tiny"}).code, 7);
  EXPECT_EQ(Ahactl({"job", "wait", "tiny"}).code, 7);
  EXPECT_EQ(Ahactl({"actor", "list", "--job", "tiny"}).code, 7);
  services_.dir().Write("runs/tiny/summary.json",
                        R"({"job": "tiny", "state": "failed",
                            "problem": "learner-0 waited 300 s"})");
  const Outcome failed = Ahactl({"job", "wait", "tiny"});
  EXPECT_EQ(failed.code, 8);
  EXPECT_THAT(failed.err, HasSubstr("learner-0 waited 300 s"));
  EXPECT_EQ(Ahactl({"job", "pause", "tiny"}).code, 5);
}

TEST_F(AhactlTest, EveryCommandHasItsOwnExamplesAndOutputFormats) {
  // The bash completion holds the whole command line: "|ahactl|...|".
  const std::string script = Ahactl({"completion", "bash"}).out;
  const size_t begin = script.find("known='") + 7;
  const std::string known =
      script.substr(begin, script.find('\'', begin) - begin);
  std::vector<std::string> commands;
  for (const absl::string_view split :
       absl::StrSplit(known, '|', absl::SkipEmpty())) {
    const std::string path(split);
    const bool has_children = absl::StrContains(known, "|" + path + " ");
    if (!has_children) commands.push_back(path);
  }
  EXPECT_GT(commands.size(), 20u);
  for (const std::string& command : commands) {
    std::vector<std::string> words = absl::StrSplit(command, ' ');
    words.erase(words.begin());
    words.emplace_back("--help");
    const Outcome help = Ahactl(words);
    EXPECT_EQ(help.code, 0) << command;
    EXPECT_THAT(help.out, HasSubstr("Examples:\n  "));
    EXPECT_THAT(help.out, HasSubstr("\n  " + command)) << "no own example";
    EXPECT_THAT(help.out, HasSubstr("--output"));
  }
}

TEST_F(AhactlTest, JsonIsWhatPrintsJson) {
  services_.dir().Write("runs/tiny/job.yaml", kJob);
  services_.dir().Write("runs/tiny/summary.json",
                        R"({"job": "tiny", "state": "succeeded"})");
  services_.dir().Write("runs/tiny/events.jsonl",
                        "{\"event\": \"a\"}\n{\"event\": \"b\"}\n");
  services_.dir().Write("runs/tiny/logs/actor-0.log", "one\ntwo\n");
  for (const std::vector<std::string>& words :
       {std::vector<std::string>{"version"},
        {"doctor"},
        {"completion", "fish"},
        {"config", "explain"},
        {"config", "reference"},
        {"config", "validate", job_},
        {"job", "list"},
        {"job", "get", "tiny"},
        {"job", "describe", "tiny"},
        {"job", "watch", "tiny"},
        {"job", "wait", "tiny"},
        {"job", "logs", "tiny"},
        {"job", "events", "tiny"},
        {"run", "--resume", "--dir", "runs/tiny"}}) {
    std::vector<std::string> json = words;
    json.insert(json.end(), {"-o", "json"});
    const Outcome outcome = Ahactl(json);
    EXPECT_TRUE(Json::accept(outcome.out)) << absl::StrJoin(words, " ") << "\n"
                                           << outcome.out;
    std::vector<std::string> yaml = words;
    yaml.insert(yaml.end(), {"-o", "yaml"});
    EXPECT_EQ(Ahactl(yaml).code, outcome.code) << absl::StrJoin(words, " ");
  }
  const Outcome last =
      Ahactl({"job", "events", "tiny", "-n", "1", "-o", "json"});
  EXPECT_EQ(Json::parse(last.out, nullptr, false),
            Json::parse(R"([{"event": "b"}])"));
}

TEST_F(AhactlTest, ARunAsJsonPrintsTheSummaryAloneOnStdout) {
  const pid_t run = StartRun({"-o", "json"});
  ASSERT_TRUE(Up());
  services_.End(0);
  const Outcome outcome = Finish(run);
  EXPECT_EQ(outcome.code, 0) << outcome.err;
  const Json summary = Json::parse(outcome.out, nullptr, false);
  EXPECT_EQ(TextOr(summary, "checksum", ""), "c0ffee") << outcome.out;
}

TEST_F(AhactlTest, AJobThatWasStoppedDidNotWork) {
  services_.dir().Write("runs/tiny/job.yaml", kJob);
  services_.dir().Write("runs/tiny/summary.json",
                        R"({"job": "tiny", "state": "stopped"})");
  const Outcome waited = Ahactl({"job", "wait", "tiny"});
  EXPECT_EQ(waited.code, 130);
  EXPECT_THAT(waited.err, HasSubstr("ahactl run --resume --dir runs/tiny"));
  EXPECT_EQ(Ahactl({"job", "stop", "tiny"}).code, 3);
}

TEST_F(AhactlTest, AMisspeltOptionIsNamedWithTheNearestAndItsCommandsHelp) {
  EXPECT_EQ(Ahactl({"run", job_, "--dri", "x"}).err,
            "ahactl: unknown option \"--dri\"; did you mean \"--dir\"?; see "
            "`ahactl run --help`\n");
  EXPECT_EQ(Ahactl({"run", job_, "more"}).err,
            "ahactl: unexpected argument \"more\"; see `ahactl run --help`\n");
  EXPECT_EQ(Ahactl({"job", "wiat"}).err,
            "ahactl: unknown command \"wiat\"; did you mean \"wait\"?; see "
            "`ahactl job --help`\n");
  EXPECT_EQ(Ahactl({"job", "wait", "--timeout", "soon"}).err,
            "ahactl: --timeout: must be a number of seconds above 0, at most "
            "1e9, got 'soon'; see `ahactl job wait --help`\n");
  EXPECT_THAT(Ahactl({"run", job_, "--actors", "two"}).err,
              HasSubstr("--actors: must be a whole number from 1 to 1024, got "
                        "'two'"));
}

TEST_F(AhactlTest, ValidateLooksAtTheFilesUnlessTheyAreElsewhere) {
  const std::string job = services_.dir().Write(
      "files.yaml",
      absl::StrReplaceAll(kJob, {{"generated: {}", "file: nowhere.jsonl"}}));
  const Outcome refused = Ahactl({"config", "validate", job});
  EXPECT_EQ(refused.code, 2);
  EXPECT_THAT(refused.err, HasSubstr("prompts.file: "));
  EXPECT_THAT(refused.err, HasSubstr("nowhere.jsonl"));
  const Outcome skipped = Ahactl({"config", "validate", job, "--skip-files"});
  EXPECT_EQ(skipped.code, 0) << skipped.err;
  EXPECT_THAT(skipped.out, HasSubstr("were not looked at"));
}

TEST_F(AhactlTest, AGroupIsShownAndABrokenLineDoesNotMatter) {
  services_.dir().Write("runs/tiny/job.yaml", kJob);
  services_.dir().Write(
      "runs/tiny/rollouts/step-000003.jsonl",
      R"({"step":3,"slot":0,"sample":0,"prompt":"1+1?","completion":"2","reward":1})"
      "\n{\"step\n");
  const Outcome shown = Ahactl({"rollout", "show", "tiny"});
  EXPECT_EQ(shown.code, 0);
  EXPECT_THAT(shown.out, HasSubstr("> 1+1?"));
  EXPECT_THAT(shown.err, HasSubstr("1 broken line left out"));
  const Outcome raw = Ahactl({"rollout", "show", "tiny", "-o", "json"});
  EXPECT_EQ(Json::parse(raw.out, nullptr, false).size(), 1u);
  EXPECT_EQ(Ahactl({"rollout", "show", "tiny", "--step", "9"}).code, 4);
  EXPECT_EQ(Ahactl({"rollout", "show", "tiny", "--slot", "9"}).code, 4);
}

}  // namespace
}  // namespace aha::cli
