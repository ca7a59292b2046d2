// The ahactl binary as a user meets it, with shell scripts for services.
#pragma once

#include <fcntl.h>
#include <signal.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <filesystem>
#include <string>
#include <utility>
#include <vector>

#include "base/file_io.h"
#include "gtest/gtest.h"
#include "tests/cli/fake_services.h"

namespace aha::cli {

inline constexpr char kJob[] = R"(name: tiny
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
      argv.reserve(arguments.size() + 1);
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
    const auto endpoint = run::RunReader(services_.run_dir()).ReadEndpoint();
    return {services_.PidOf("actor-0"), services_.PidOf("learner-0"),
            services_.PidOf("reward-0"), endpoint.ok() ? endpoint->pid : 0};
  }
  static bool AllGone(const std::vector<pid_t>& pids) {
    return FakeServices::Eventually([&] {
      return std::none_of(pids.begin(), pids.end(), run::ProcessIsAlive);
    });
  }

  FakeServices services_;
  std::string job_;
  std::vector<pid_t> running_;
};

}  // namespace aha::cli
