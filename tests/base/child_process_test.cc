#include "base/child_process.h"

#include <fcntl.h>
#include <sched.h>
#include <signal.h>
#include <sys/wait.h>
#include <unistd.h>

#include "absl/strings/str_cat.h"
#include "base/file_io.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "tests/temp_dir.h"

namespace aha {
namespace {

using ::testing::HasSubstr;

class ChildProcessTest : public ::testing::Test {
 protected:
  // A child that runs a line of sh.
  ChildOptions Shell(const std::string& line) const {
    ChildOptions options;
    options.argv = {"/bin/sh", "-c", line};
    options.log_path = dir_ / "log";
    return options;
  }
  // How it ended; blocks until it has.
  static ProcessExit Await(pid_t pid) {
    siginfo_t info;
    // Leaves the child to be reaped by what is tested.
    EXPECT_EQ(::waitid(P_PID, static_cast<id_t>(pid), &info, WEXITED | WNOWAIT),
              0);
    return ReapChild(pid).value_or(ProcessExit{.code = -1});
  }
  std::string Log() const { return *ReadWholeFile(dir_ / "log"); }

  const TempDir dir_;
};

TEST_F(ChildProcessTest, ItsOutputIsAppendedToItsLog) {
  dir_.Write("log", "before\n");
  EXPECT_EQ(Await(*StartChild(Shell("echo out; echo err >&2; exit 3"))).code,
            3);
  EXPECT_EQ(Log(), "before\nout\nerr\n");
}

TEST_F(ChildProcessTest, ItReadsNothingFromTheTerminal) {
  EXPECT_EQ(Await(*StartChild(Shell("read line || echo end"))).code, 0);
  EXPECT_EQ(Log(), "end\n");
}

TEST_F(ChildProcessTest, VariablesReplaceInheritedOnes) {
  ::setenv("AHA_TEST_KEPT", "kept", 1);
  ::setenv("AHA_TEST_SET", "old", 1);
  ChildOptions options = Shell("echo $AHA_TEST_KEPT $AHA_TEST_SET");
  options.environment = {"AHA_TEST_SET=new"};
  Await(*StartChild(options));
  ::unsetenv("AHA_TEST_KEPT");
  ::unsetenv("AHA_TEST_SET");
  EXPECT_EQ(Log(), "kept new\n");
}

TEST_F(ChildProcessTest, ItRunsOnTheGivenProcessors) {
  cpu_set_t allowed;
  CPU_ZERO(&allowed);
  ASSERT_EQ(::sched_getaffinity(0, sizeof(allowed), &allowed), 0);
  int cpu = 0;
  while (!CPU_ISSET(cpu, &allowed)) ++cpu;
  ChildOptions options =
      Shell("grep Cpus_allowed_list /proc/self/status | tr -d '\\t '");
  options.cpus = {cpu};
  Await(*StartChild(options));
  EXPECT_EQ(Log(), absl::StrCat("Cpus_allowed_list:", cpu, "\n"));
}

TEST_F(ChildProcessTest, AProgramThatCannotBeRunIsNamed) {
  ChildOptions options;
  options.argv = {dir_ / "none"};
  options.log_path = dir_ / "log";
  const absl::Status status = StartChild(options).status();
  EXPECT_TRUE(absl::IsNotFound(status)) << status;
  EXPECT_THAT(std::string(status.message()),
              HasSubstr("cannot run " + dir_ / "none"));
}

TEST_F(ChildProcessTest, ALogThatCannotBeOpenedIsNamed) {
  ChildOptions options = Shell("true");
  options.log_path = dir_ / "no/log";
  const absl::Status status = StartChild(options).status();
  EXPECT_THAT(std::string(status.message()),
              HasSubstr("cannot open " + options.log_path));
}

TEST_F(ChildProcessTest, AChildWithPipesReadsAndWritesThem) {
  ChildOptions options = Shell("read line; echo out $line; echo err >&2");
  options.log_path.clear();
  const absl::StatusOr<PipedChild> child = StartPipedChild(options);
  ASSERT_TRUE(child.ok()) << child.status();
  ASSERT_EQ(::write(child->in, "in\n", 3), 3);
  EXPECT_EQ(Await(child->pid).code, 0);
  char text[64];
  ASSERT_EQ(::read(child->out, text, sizeof(text)), 7);
  EXPECT_EQ(std::string(text, 7), "out in\n");
  ASSERT_EQ(::read(child->err, text, sizeof(text)), 4);
  for (const int fd : {child->in, child->out, child->err}) ::close(fd);
}

TEST_F(ChildProcessTest, AChildWithPipesInheritsNoneOfAnother) {
  // The descriptors of a child, as text.
  const auto descriptors = [this] {
    const PipedChild child =
        *StartPipedChild(Shell("ls /proc/self/fd | sort -n | tr '\\n' ' '"));
    EXPECT_EQ(Await(child.pid).code, 0);
    char text[256];
    const ssize_t got = ::read(child.out, text, sizeof(text));
    for (const int fd : {child.in, child.out, child.err}) ::close(fd);
    return std::string(text, static_cast<size_t>(got));
  };
  const std::string alone = descriptors();
  const PipedChild other = *StartPipedChild(Shell("exec sleep 600"));
  EXPECT_EQ(descriptors(), alone);
  EXPECT_FALSE(HasEnded(other.pid));
  SignalChild(other.pid, SIGKILL);
  EXPECT_EQ(Await(other.pid).signal, SIGKILL);
  for (const int fd : {other.in, other.out, other.err}) ::close(fd);
}

TEST_F(ChildProcessTest, ASignalEndsTheWholeGroup) {
  // The pipe has an end when no process of the group holds it any more.
  int alive[2];
  ASSERT_EQ(::pipe(alive), 0);
  const pid_t child = *StartChild(Shell("sleep 600 & wait"));
  ::close(alive[1]);
  EXPECT_FALSE(ReapChild(child).has_value());
  SignalChild(child, SIGKILL);
  const ProcessExit exit = Await(child);
  EXPECT_EQ(exit.signal, SIGKILL);
  EXPECT_EQ(exit.Describe(), "signal 9 (Killed)");
  char byte;
  EXPECT_EQ(::read(alive[0], &byte, 1), 0);
  ::close(alive[0]);
}

TEST_F(ChildProcessTest, SignallingAndReapingWhatIsGoneDoesNothing) {
  const pid_t child = *StartChild(Shell("true"));
  Await(child);
  SignalChild(child, SIGKILL);
  SignalChild(0, SIGKILL);  // Would be this test's own group.
  EXPECT_EQ(ReapChild(child)->code, 127) << "it was reaped before";
}

TEST_F(ChildProcessTest, ThePeakMemoryOfARunningProcessIsKnown) {
  EXPECT_GT(PeakResidentBytes(::getpid()), uint64_t{1} << 20);
  EXPECT_EQ(PeakResidentBytes(0), 0u);
}

TEST_F(ChildProcessTest, AChildDoesNotOutliveItsParent) {
  // The pipe has an end when neither the parent nor its child holds it.
  int alive[2];
  ASSERT_EQ(::pipe(alive), 0);
  const pid_t parent = ::fork();
  if (parent == 0) {
    const bool started = StartChild(Shell("exec sleep 600")).ok();
    ::_exit(started ? 0 : 1);
  }
  ::close(alive[1]);
  int status = -1;
  ::waitpid(parent, &status, 0);
  EXPECT_EQ(status, 0);
  char byte;
  EXPECT_EQ(::read(alive[0], &byte, 1), 0);
  ::close(alive[0]);
}

}  // namespace
}  // namespace aha
