#include "base/child_process.h"

#include <fcntl.h>
#include <sched.h>
#include <signal.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cerrno>
#include <map>
#include <utility>

#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_split.h"
#include "absl/strings/strip.h"
#include "base/file_io.h"
#include "base/status.h"

extern char** environ;

namespace aha {
namespace {

std::vector<std::string> MergeEnvironment(
    const std::vector<std::string>& overrides) {
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
  int in_fd;
  int out_fd;
  int err_fd;
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
  ::dup2(child.in_fd, STDIN_FILENO);
  ::dup2(child.out_fd, STDOUT_FILENO);
  ::dup2(child.err_fd, STDERR_FILENO);
  ::execve(child.argv[0], child.argv, child.envp);
  const int error = errno;
  (void)!::write(child.report_fd, &error, sizeof(error));
  ::_exit(127);
}

class Fd {
 public:
  explicit Fd(int fd = -1) : fd_(fd) {}
  ~Fd() { Close(); }
  Fd(Fd&& other) noexcept : fd_(other.Release()) {}
  Fd& operator=(Fd&& other) noexcept {
    Close();
    fd_ = other.Release();
    return *this;
  }
  int get() const { return fd_; }
  int Release() { return std::exchange(fd_, -1); }
  void Close() {
    if (fd_ >= 0) ::close(fd_);
    fd_ = -1;
  }

 private:
  int fd_;
};

struct Pipe {
  Fd read;
  Fd write;
};

absl::StatusOr<Pipe> MakePipe() {
  int ends[2];
  if (::pipe2(ends, O_CLOEXEC) != 0) {
    return absl::ErrnoToStatus(errno, "pipe2");
  }
  return Pipe{Fd(ends[0]), Fd(ends[1])};
}

// Starts the child with these streams, which stay the caller's.
absl::StatusOr<pid_t> Launch(const ChildOptions& options, int in, int out,
                             int err) {
  std::vector<std::string> arguments = options.argv;
  std::vector<std::string> variables = MergeEnvironment(options.environment);
  const std::vector<char*> argv = Pointers(&arguments);
  const std::vector<char*> envp = Pointers(&variables);
  AHA_ASSIGN_OR_RETURN(Pipe report, MakePipe());
  Prepared child{
      argv.data(), envp.data(),           in, out, err, report.write.get(),
      ::getpid(),  !options.cpus.empty(), {}};
  CPU_ZERO(&child.cpus);
  for (int cpu : options.cpus) CPU_SET(cpu, &child.cpus);
  const pid_t pid = ::fork();
  if (pid < 0) return absl::ErrnoToStatus(errno, "fork");
  if (pid == 0) RunChild(child);
  report.write.Close();
  int error = 0;
  ssize_t got;
  do {
    got = ::read(report.read.get(), &error, sizeof(error));
  } while (got < 0 && errno == EINTR);
  if (got == sizeof(error)) {
    ::waitpid(pid, nullptr, 0);
    return absl::ErrnoToStatus(error,
                               absl::StrCat("cannot run ", options.argv[0]));
  }
  return pid;
}

}  // namespace

std::string ProcessExit::Describe() const {
  if (signal == 0) return absl::StrCat("exit code ", code);
  const char* name = ::sigdescr_np(signal);
  return absl::StrCat("signal ", signal, " (", name ? name : "unknown", ")");
}

absl::StatusOr<pid_t> StartChild(const ChildOptions& options) {
  const Fd null(::open("/dev/null", O_RDONLY | O_CLOEXEC));
  const Fd log(::open(options.log_path.c_str(),
                      O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0644));
  if (log.get() < 0) {
    return absl::ErrnoToStatus(errno,
                               absl::StrCat("cannot open ", options.log_path));
  }
  return Launch(options, null.get(), log.get(), log.get());
}

absl::StatusOr<PipedChild> StartPipedChild(const ChildOptions& options) {
  AHA_ASSIGN_OR_RETURN(Pipe in, MakePipe());
  AHA_ASSIGN_OR_RETURN(Pipe out, MakePipe());
  AHA_ASSIGN_OR_RETURN(Pipe err, MakePipe());
  AHA_ASSIGN_OR_RETURN(
      const pid_t pid,
      Launch(options, in.read.get(), out.write.get(), err.write.get()));
  for (const Fd* ours : {&in.write, &out.read, &err.read}) {
    ::fcntl(ours->get(), F_SETFL, O_NONBLOCK);
  }
  return PipedChild{.pid = pid,
                    .in = in.write.Release(),
                    .out = out.read.Release(),
                    .err = err.read.Release()};
}

bool HasEnded(pid_t pid) {
  siginfo_t info{};
  return ::waitid(P_PID, static_cast<id_t>(pid), &info,
                  WEXITED | WNOHANG | WNOWAIT) == 0 &&
         info.si_pid == pid;
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

}  // namespace aha
