// Programs that misbehave in every way end in a clear state, within bounded
// time, and never in a score.
#include "reward_service/external/program_pool.h"

#include <fcntl.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <signal.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cerrno>
#include <filesystem>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "absl/strings/str_cat.h"
#include "base/clock.h"
#include "base/file_io.h"
#include "base/mutex.h"
#include "tests/temp_dir.h"

namespace aha::reward {
namespace {

using rewards::Outcome;
using rewards::Verdict;
using ::testing::AllOf;
using ::testing::HasSubstr;

// A line of sh that takes the id out of a request.
constexpr char kId[] = R"(id=${line#*\"id\":}; id=${id%%,*}; )";
constexpr char kOne[] = R"(printf '{"id":%s,"score":1}\n' "$id"; )";

std::string EachLine(const std::string& body) {
  return absl::StrCat("while read -r line; do ", kId, body, " done");
}

// The verdicts on some completions, in their order.
class Verdicts {
 public:
  explicit Verdicts(size_t count) : verdicts_(count), missing_(count) {}

  ProgramPool::Done At(size_t index) {
    return [this, index](Verdict verdict) {
      MutexLock lock(mutex_);
      verdicts_[index] = std::move(verdict);
      --missing_;
      changed_.NotifyAll();
    };
  }
  std::vector<Verdict> Await() {
    MutexLock lock(mutex_);
    while (missing_ > 0) changed_.Wait(mutex_);
    return verdicts_;
  }

 private:
  Mutex mutex_;
  CondVar changed_;
  std::vector<Verdict> verdicts_ ABSL_GUARDED_BY(mutex_);
  size_t missing_ ABSL_GUARDED_BY(mutex_);
};

class ProgramPoolTest : public ::testing::Test {
 protected:
  static ProgramPool::Options Shell(const std::string& script) {
    return {.label = "reward mine",
            .argv = {"/bin/sh", "-c", script},
            .timeout = absl::Seconds(60),
            .backoff = {absl::Milliseconds(1), absl::Milliseconds(2)},
            .clock = MonotonicClock()};
  }
  static std::vector<Verdict> Judge(ProgramPool& pool,
                                    const std::vector<std::string>& texts) {
    Verdicts verdicts(texts.size());
    for (size_t i = 0; i < texts.size(); ++i) {
      pool.Judge(std::make_shared<Completion>(Completion{
                     .prompt = "?", .reference = "", .text = texts[i]}),
                 verdicts.At(i));
    }
    return verdicts.Await();
  }
  // The one verdict of a program that fails.
  static std::string FailureOf(ProgramPool::Options options) {
    ProgramPool pool(std::move(options));
    const Verdict verdict = Judge(pool, {"a"})[0];
    EXPECT_EQ(verdict.outcome, Outcome::kInfraError);
    return verdict.evidence;
  }

  const TempDir dir_;
};

TEST_F(ProgramPoolTest, EveryCompletionGetsItsOwnReply) {
  // The score is the length of the text, and the order of replies is reversed.
  const std::string reverses = EachLine(
      R"(more=${line#*\"more\":}; more=${more%%,*}
         text=${line#*\"completion\":\"}; text=${text%%\"*}
         out="{\"id\":$id,\"score\":${#text}}
$out"
         if [ "$more" = 0 ]; then printf '%s' "$out"; out=; fi;)");
  ProgramPool::Options options = Shell(reverses);
  options.workers = 2;
  options.batch_size = 7;
  ProgramPool pool(std::move(options));
  std::vector<std::string> texts;
  for (size_t i = 0; i < 100; ++i) texts.push_back(std::string(i, 'x'));
  const std::vector<Verdict> verdicts = Judge(pool, texts);
  for (size_t i = 0; i < texts.size(); ++i) {
    EXPECT_EQ(verdicts[i].outcome, Outcome::kScore) << verdicts[i].evidence;
    EXPECT_EQ(verdicts[i].value, static_cast<double>(i));
  }
}

TEST_F(ProgramPoolTest, ALargeBatchDoesNotJamThePipes) {
  ProgramPool::Options options = Shell(EachLine(kOne));
  options.batch_size = 64;
  ProgramPool pool(std::move(options));
  const std::vector<std::string> texts(64, std::string(20000, 'x'));
  for (const Verdict& verdict : Judge(pool, texts)) {
    EXPECT_EQ(verdict.outcome, Outcome::kScore) << verdict.evidence;
  }
}

TEST_F(ProgramPoolTest, AProgramThatHangsIsKilledWithWhatItStarted) {
  // The pipe has an end when neither the program nor its child holds it.
  const std::string alive = dir_ / "alive";
  ASSERT_EQ(::mkfifo(alive.c_str(), 0600), 0);
  const int fd = ::open(alive.c_str(), O_RDWR | O_CLOEXEC);
  ProgramPool::Options options =
      Shell("exec 9>" + alive + "; echo up >&9; sleep 600 & exec sleep 600");
  options.timeout = absl::Seconds(1);
  {
    ProgramPool pool(std::move(options));
    const Verdict verdict = Judge(pool, {"a"})[0];
    EXPECT_EQ(verdict.outcome, Outcome::kInfraError);
    EXPECT_THAT(verdict.evidence, HasSubstr("did not answer in time: 1 compl"));
  }
  // From here on this process does not hold the writing end itself.
  const int reader = ::open(alive.c_str(), O_RDONLY | O_CLOEXEC);
  ::close(fd);
  char text[8];
  EXPECT_EQ(::read(reader, text, sizeof(text)), 3) << "it was up";
  EXPECT_EQ(::read(reader, text, sizeof(text)), 0);
  ::close(reader);
}

TEST_F(ProgramPoolTest, AProgramThatCrashesIsStartedAgain) {
  // The first process ends by a signal on its first request.
  ProgramPool pool(Shell("if [ ! -e " + dir_ / "once" + " ]; then read line; " +
                         "echo 'out of luck' >&2; touch " + dir_ / "once" +
                         "; kill -SEGV $$; fi; " + EachLine(kOne)));
  const Verdict first = Judge(pool, {"a"})[0];
  EXPECT_EQ(first.outcome, Outcome::kInfraError);
  EXPECT_THAT(first.evidence,
              AllOf(HasSubstr("signal 11"), HasSubstr("out of luck")));
  EXPECT_EQ(Judge(pool, {"a"})[0].outcome, Outcome::kScore);
}

TEST_F(ProgramPoolTest, AProgramThatEndsAtOnceIsNamedWithItsExitCode) {
  EXPECT_THAT(FailureOf(Shell("exit 0")), HasSubstr("exit code 0"));
  EXPECT_THAT(FailureOf(Shell("echo no module >&2; exit 3")),
              AllOf(HasSubstr("exit code 3"), HasSubstr("no module")));
}

TEST_F(ProgramPoolTest, AProgramThatClosesItsStdoutIsNotWaitedFor) {
  EXPECT_THAT(FailureOf(Shell("exec >&-; exec sleep 600")),
              HasSubstr("closed its stdout"));
}

TEST_F(ProgramPoolTest, AFloodOfOutputIsCutOff) {
  EXPECT_THAT(FailureOf(Shell("read line; exec cat /dev/zero")),
              HasSubstr("a line of more than"));
  EXPECT_THAT(FailureOf(Shell("read line; exec yes")), HasSubstr("not JSON"));
  EXPECT_THAT(FailureOf(Shell(R"(read line; exec yes '{"id":99,"score":1}')")),
              HasSubstr("99"));
}

TEST_F(ProgramPoolTest, WrongIdsAreErrors) {
  EXPECT_THAT(FailureOf(Shell(EachLine(R"(echo '{"id":77,"score":1}';)"))),
              HasSubstr("it answered request 77, which it was not asked"));
  // The second reply to the first request is seen with the second request.
  ProgramPool pool(Shell(EachLine(absl::StrCat(kOne, kOne))));
  EXPECT_EQ(Judge(pool, {"a"})[0].outcome, Outcome::kScore);
  const Verdict second = Judge(pool, {"b"})[0];
  EXPECT_EQ(second.outcome, Outcome::kInfraError);
  EXPECT_THAT(second.evidence, HasSubstr("answered before"));
}

TEST_F(ProgramPoolTest, TooFewAnswersAreATimeOutOfTheOthers) {
  ProgramPool::Options options =
      Shell(EachLine(absl::StrCat("if [ \"$id\" = 1 ]; then ", kOne, "fi; ")));
  options.timeout = absl::Milliseconds(500);
  options.batch_size = 4;
  ProgramPool pool(std::move(options));
  int scores = 0, errors = 0;
  for (const Verdict& verdict : Judge(pool, {"a", "b", "c"})) {
    scores += verdict.outcome == Outcome::kScore;
    errors += verdict.outcome == Outcome::kInfraError;
  }
  EXPECT_EQ(scores, 1);
  EXPECT_EQ(errors, 2);
}

TEST_F(ProgramPoolTest, AProgramThatCannotBeRunIsNamed) {
  ProgramPool::Options options = Shell("");
  options.argv = {dir_ / "none"};
  EXPECT_THAT(FailureOf(options), HasSubstr("cannot run " + dir_ / "none"));
  options.argv = {dir_.Write("plain", "echo")};
  EXPECT_THAT(FailureOf(options), HasSubstr("Permission denied"));
}

TEST_F(ProgramPoolTest, AFloodOnStderrNeitherJamsNorFillsTheLog) {
  ::testing::internal::CaptureStderr();
  {
    ProgramPool pool(
        Shell("yes complaint | head -c 3000000 >&2; " + EachLine(kOne)));
    EXPECT_EQ(Judge(pool, {"a"})[0].outcome, Outcome::kScore);
  }
  const std::string log = ::testing::internal::GetCapturedStderr();
  EXPECT_THAT(log, HasSubstr("reward mine: complaint"));
  EXPECT_LT(log.size(), 64u * 1024);
}

TEST_F(ProgramPoolTest, InIsolationTheCompletionAtFaultIsFound) {
  ProgramPool::Options options = Shell(EachLine(absl::StrCat(
      R"(case $line in *bad*) echo "cannot" >&2; exit 9;; esac; )", kOne)));
  options.isolate = true;
  ProgramPool pool(std::move(options));
  EXPECT_EQ(Judge(pool, {"good"})[0].outcome, Outcome::kScore);
  const auto verdicts = Judge(pool, {"a", "bad", "c", "bad", "e"});
  for (const size_t good : {0, 2, 4}) {
    EXPECT_EQ(verdicts[good].outcome, Outcome::kScore);
  }
  for (const size_t bad : {1, 3}) {
    EXPECT_EQ(verdicts[bad].outcome, Outcome::kCrash);
    EXPECT_THAT(verdicts[bad].evidence,
                AllOf(HasSubstr("exit code 9"), HasSubstr("cannot")));
  }
}

// The number of open descriptors of this process.
size_t OpenDescriptors() {
  size_t count = 0;
  for (const auto& entry : std::filesystem::directory_iterator("/proc/self/fd"))
    count += !entry.path().empty();
  return count;
}

TEST_F(ProgramPoolTest, NeitherDescriptorsNorZombiesAreLeft) {
  const size_t before = OpenDescriptors();
  for (int i = 0; i < 3; ++i) {
    ProgramPool pool(Shell("exit 1"));
    Judge(pool, {"a", "b", "c"});
  }
  EXPECT_EQ(OpenDescriptors(), before);
  siginfo_t info{};
  EXPECT_EQ(::waitid(P_ALL, 0, &info, WEXITED | WNOHANG | WNOWAIT), -1);
  EXPECT_EQ(errno, ECHILD) << "a child was not reaped";
}

TEST_F(ProgramPoolTest, StoppingEndsAProgramThatHangsAtOnce) {
  ProgramPool pool(Shell("exec sleep 600"));
  Verdicts verdicts(2);
  for (size_t i = 0; i < 2; ++i) {
    pool.Judge(std::make_shared<Completion>(), verdicts.At(i));
  }
  const absl::Time began = MonotonicClock()();
  pool.Stop();
  EXPECT_LT(MonotonicClock()() - began, absl::Seconds(20));
  for (const Verdict& verdict : verdicts.Await()) {
    EXPECT_EQ(verdict.outcome, Outcome::kInfraError);
  }
  Verdicts late(1);
  pool.Judge(std::make_shared<Completion>(), late.At(0));
  EXPECT_EQ(late.Await()[0].outcome, Outcome::kInfraError);
}

TEST_F(ProgramPoolTest, AProgramSeesTheEndOfItsInputBeforeItIsKilled) {
  {
    ProgramPool pool(Shell(EachLine(kOne) + "; echo bye >" + dir_ / "end"));
    EXPECT_EQ(Judge(pool, {"a"})[0].outcome, Outcome::kScore);
  }
  EXPECT_EQ(*ReadWholeFile(dir_ / "end"), "bye\n");
}

}  // namespace
}  // namespace aha::reward
