#include "tests/integration/local_cluster.h"

#include <arpa/inet.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <signal.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <fstream>
#include <sstream>

#include "absl/strings/str_cat.h"
#include "absl/time/clock.h"

namespace aha::testing {
namespace {

constexpr absl::Duration kPoll = absl::Milliseconds(10);

pid_t Spawn(const std::vector<std::string>& argv, const std::string& output) {
  std::vector<char*> raw;
  for (const std::string& argument : argv) {
    raw.push_back(const_cast<char*>(argument.c_str()));
  }
  raw.push_back(nullptr);
  const pid_t pid = fork();
  if (pid != 0) return pid;
  const int out = open(output.c_str(), O_CREAT | O_TRUNC | O_WRONLY, 0644);
  const int in = open("/dev/null", O_RDONLY);
  dup2(in, STDIN_FILENO);
  dup2(out, STDOUT_FILENO);
  dup2(out, STDERR_FILENO);
  execvp(raw[0], raw.data());
  _exit(127);
}

int Decode(int status) {
  return WIFEXITED(status) ? WEXITSTATUS(status) : -WTERMSIG(status);
}

}  // namespace

LocalCluster::LocalCluster(const std::string& recipe,
                           const std::string& directory,
                           const std::vector<std::string>& arguments)
    : directory_(directory) {
  std::vector<std::string> argv = {Binary("ahactl"), "run", recipe, "--dir",
                                   directory};
  argv.insert(argv.end(), arguments.begin(), arguments.end());
  pid_ = Spawn(argv, directory + ".out");
}

LocalCluster::~LocalCluster() {
  if (reaped_) return;
  Signal(SIGKILL);
  Wait(absl::Seconds(10));
}

std::vector<Process> LocalCluster::Processes() const {
  const nlohmann::json file = nlohmann::json::parse(
      ReadFileOrEmpty(directory_ + "/processes.json"), nullptr, false);
  const nlohmann::json& list =
      file.is_object() && file.contains("processes") ? file["processes"] : file;
  std::vector<Process> result;
  if (!list.is_array()) return result;
  for (const nlohmann::json& entry : list) {
    result.push_back({entry.value("name", ""), entry.value("role", ""),
                      entry.value("pid", 0)});
  }
  return result;
}

int64_t LocalCluster::StepsDone() const {
  const std::string lines = ReadFileOrEmpty(directory_ + "/metrics.jsonl");
  return std::count(lines.begin(), lines.end(), '\n');
}

bool LocalCluster::Over() {
  if (!reaped_ && waitpid(pid_, &status_, WNOHANG) == pid_) reaped_ = true;
  return reaped_;
}

bool LocalCluster::WaitForSteps(int64_t steps, absl::Duration limit) const {
  auto* self = const_cast<LocalCluster*>(this);
  return Eventually([&] { return StepsDone() >= steps || self->Over(); },
                    limit);
}

int LocalCluster::Wait(absl::Duration limit) {
  if (!Eventually([this] { return Over(); }, limit)) return -1000;
  return Decode(status_);
}

void LocalCluster::Signal(int signal) const { kill(pid_, signal); }

nlohmann::json LocalCluster::Summary() const {
  return nlohmann::json::parse(ReadFileOrEmpty(directory_ + "/summary.json"),
                               nullptr, false);
}

std::string LocalCluster::Output() const {
  return ReadFileOrEmpty(directory_ + ".out");
}

Service::Service(const std::vector<std::string>& argv,
                 const std::string& output)
    : pid_(Spawn(argv, output)) {}

Service::~Service() {
  if (pid_ <= 0) return;
  kill(pid_, SIGKILL);
  waitpid(pid_, nullptr, 0);
}

void Service::Signal(int signal) const { kill(pid_, signal); }

int Service::Wait(absl::Duration limit) {
  int status = 0;
  const bool ended = Eventually(
      [&] { return waitpid(pid_, &status, WNOHANG) == pid_; }, limit);
  if (!ended) return -1000;
  pid_ = 0;
  return Decode(status);
}

std::string AwaitEndpoint(const std::string& directory) {
  std::string address;
  Eventually(
      [&] {
        const nlohmann::json file = nlohmann::json::parse(
            ReadFileOrEmpty(directory + "/endpoint.json"), nullptr, false);
        if (file.is_object()) address = file.value("address", "");
        return !address.empty();
      },
      absl::Minutes(1));
  return address;
}

TakenPort::TakenPort() : fd_(socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0)) {
  sockaddr_in at{};
  at.sin_family = AF_INET;
  at.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  socklen_t size = sizeof(at);
  if (bind(fd_, reinterpret_cast<sockaddr*>(&at), size) != 0 ||
      listen(fd_, 1) != 0 ||
      getsockname(fd_, reinterpret_cast<sockaddr*>(&at), &size) != 0) {
    return;
  }
  address_ = absl::StrCat("127.0.0.1:", ntohs(at.sin_port));
}

TakenPort::~TakenPort() { close(fd_); }

CommandResult RunCommand(const std::vector<std::string>& argv,
                         absl::Duration limit) {
  TempDir scratch;
  const std::string output = scratch.path() + "/out";
  const pid_t pid = Spawn(argv, output);
  int status = 0;
  const bool ended =
      Eventually([&] { return waitpid(pid, &status, WNOHANG) == pid; }, limit);
  if (!ended) {
    kill(pid, SIGKILL);
    waitpid(pid, &status, 0);
    return {-1000, ReadFileOrEmpty(output)};
  }
  return {Decode(status), ReadFileOrEmpty(output)};
}

bool Eventually(const std::function<bool()>& condition, absl::Duration limit) {
  const absl::Time deadline = absl::Now() + AHA_PATIENCE * limit;
  while (!condition()) {
    if (absl::Now() > deadline) return false;
    absl::SleepFor(kPoll);
  }
  return true;
}

std::string Recipe(const std::string& name) {
  return absl::StrCat(AHA_SOURCE_DIR, "/recipes/", name);
}

std::string SourceFile(const std::string& path) {
  return absl::StrCat(AHA_SOURCE_DIR, "/", path);
}

std::string Binary(const std::string& name) {
  return absl::StrCat(AHA_BIN_DIR, "/", name);
}

std::string ReadFileOrEmpty(const std::string& path) {
  std::ifstream file(path, std::ios::binary);
  std::stringstream text;
  text << file.rdbuf();
  return text.str();
}

}  // namespace aha::testing
