#include "cli/local/child_process.h"

#include <fcntl.h>
#include <sched.h>
#include <signal.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cerrno>
#include <map>

#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_split.h"
#include "absl/strings/strip.h"
#include "base/file_io.h"

extern char** environ;

namespace aha::cli {
namespace {

std::vector<std::string> Merge(const std::vector<std::string>& overrides) {
  std::map<std::string, std::string> variables;
  const auto add = [&variables](const std::string& assignment) {
    variables[assignment.substr(0, assignment.find('='))] = assignment;
  };
  for (char** variable = environ; *variable != nullptr; ++variable) {
    add(*variable);
  }
  for (const std::string& assignment : overrides) add(assignment);
  std::vector<std::string> merged;
  for (const auto& [name, assignment] : variables) merged.push_back(assignment);
  return merged;
}

std::vector<char*> Pointers(std::vector<std::string>* strings) {
  std::vector<char*> pointers;
  for (std::string& text : *strings) pointers.push_back(text.data());
  pointers.push_back(nullptr);
  return pointers;
}

// What the child needs.  It is made before fork: after it, only
// async-signal-safe calls are allowed in a process that has threads.
struct Prepared {
  char* const* argv;
  char* const* envp;
  int log_fd;
  int null_fd;
  int report_fd;  // Takes errno if exec fails.
  pid_t parent;
  bool pin;
  cpu_set_t cpus;
};

[[noreturn]] void RunChild(const Prepared& child) {
  ::setpgid(0, 0);
  ::prctl(PR_SET_PDEATHSIG, SIGKILL);
  // The parent may have ended before the request above took effect.
  if (::getppid() != child.parent) ::_exit(127);
  if (child.pin) ::sched_setaffinity(0, sizeof(child.cpus), &child.cpus);
  for (int signal : {SIGINT, SIGTERM, SIGHUP, SIGPIPE, SIGCHLD, SIGQUIT}) {
    ::signal(signal, SIG_DFL);
  }
  sigset_t none;
  sigemptyset(&none);
  ::sigprocmask(SIG_SETMASK, &none, nullptr);
  ::dup2(child.null_fd, STDIN_FILENO);
  ::dup2(child.log_fd, STDOUT_FILENO);
  ::dup2(child.log_fd, STDERR_FILENO);
  ::execve(child.argv[0], child.argv, child.envp);
  const int error = errno;
  (void)!::write(child.report_fd, &error, sizeof(error));
  ::_exit(127);
}

class Fd {
 public:
  explicit Fd(int fd) : fd_(fd) {}
  ~Fd() { Close(); }
  Fd(const Fd&) = delete;
  Fd& operator=(const Fd&) = delete;
  int get() const { return fd_; }
  void Close() {
    if (fd_ >= 0) ::close(fd_);
    fd_ = -1;
  }

 private:
  int fd_;
};

}  // namespace

absl::StatusOr<pid_t> StartChild(const ChildOptions& options) {
  std::vector<std::string> arguments = options.argv;
  std::vector<std::string> variables = Merge(options.environment);
  const std::vector<char*> argv = Pointers(&arguments);
  const std::vector<char*> envp = Pointers(&variables);
  const Fd null(::open("/dev/null", O_RDONLY | O_CLOEXEC));
  const Fd log(::open(options.log_path.c_str(),
                      O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0644));
  if (log.get() < 0) {
    return absl::ErrnoToStatus(errno,
                               absl::StrCat("cannot open ", options.log_path));
  }
  int report[2];
  if (::pipe2(report, O_CLOEXEC) != 0) {
    return absl::ErrnoToStatus(errno, "pipe2");
  }
  const Fd report_read(report[0]);
  Fd report_write(report[1]);
  Prepared child{
      argv.data(), envp.data(),           log.get(), null.get(), report[1],
      ::getpid(),  !options.cpus.empty(), {}};
  CPU_ZERO(&child.cpus);
  for (int cpu : options.cpus) CPU_SET(cpu, &child.cpus);
  const pid_t pid = ::fork();
  if (pid < 0) return absl::ErrnoToStatus(errno, "fork");
  if (pid == 0) RunChild(child);
  report_write.Close();
  int error = 0;
  ssize_t got;
  do {
    got = ::read(report_read.get(), &error, sizeof(error));
  } while (got < 0 && errno == EINTR);
  if (got == sizeof(error)) {
    ::waitpid(pid, nullptr, 0);
    return absl::ErrnoToStatus(error,
                               absl::StrCat("cannot run ", options.argv[0]));
  }
  return pid;
}

std::optional<ProcessExit> ReapChild(pid_t pid) {
  int status = 0;
  pid_t reaped;
  do {
    reaped = ::waitpid(pid, &status, WNOHANG);
  } while (reaped < 0 && errno == EINTR);
  if (reaped == 0) return std::nullopt;
  if (reaped < 0) return ProcessExit{.code = 127};
  if (WIFSIGNALED(status)) return ProcessExit{.signal = WTERMSIG(status)};
  return ProcessExit{.code = WEXITSTATUS(status)};
}

void SignalChild(pid_t pid, int signal) {
  if (pid <= 0) return;
  // The group, whose id is the child's pid, includes what the child started.
  if (::kill(-pid, signal) != 0) ::kill(pid, signal);
}

uint64_t PeakResidentBytes(pid_t pid) {
  const absl::StatusOr<std::string> status =
      ReadWholeFile(absl::StrCat("/proc/", pid, "/status"));
  if (!status.ok()) return 0;
  for (absl::string_view line : absl::StrSplit(*status, '\n')) {
    if (!absl::ConsumePrefix(&line, "VmHWM:")) continue;
    absl::ConsumeSuffix(&line, "kB");
    uint64_t kib = 0;
    return absl::SimpleAtoi(line, &kib) ? kib * 1024 : 0;
  }
  return 0;
}

}  // namespace aha::cli
