#include "cli/local/failure.h"

#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "tests/temp_dir.h"

namespace aha::cli {
namespace {

using ::testing::ElementsAre;
using ::testing::IsEmpty;

TEST(FailureTest, NamesTheProcessItsEndItsLogAndTheCommandThatContinues) {
  ClusterFailure failure;
  failure.process = "learner-0";
  failure.how = "signal 9 (Killed)";
  failure.reason = "the job cannot go on without the learner";
  failure.log_path = "runs/x/logs/learner-0.log";
  failure.log_tail = {"last \x1b words"};
  EXPECT_EQ(
      absl::StrJoin(RenderFailure(failure, "ahactl run --resume --dir runs/x"),
                    "\n"),
      "learner-0: signal 9 (Killed); the job cannot go on without the "
      "learner\n  | last \\x1b words\n  log: runs/x/logs/learner-0.log\n"
      "  continue with: ahactl run --resume --dir runs/x");
}

TEST(FailureTest, AFailureWithoutALogOrACommandIsOneLine) {
  EXPECT_THAT(RenderFailure({.process = "ahactl", .how = "cannot run x"}, ""),
              ElementsAre("ahactl: cannot run x"));
}

TEST(FailureTest, ATailIsTheLastLinesThatAreNotEmpty) {
  const TempDir dir;
  const std::string path = dir.Write("log", "one\n\ntwo\nthree");
  EXPECT_THAT(LogTail(path, 2), ElementsAre("two", "three"));
  EXPECT_THAT(LogTail(path, 9), ElementsAre("one", "two", "three"));
  EXPECT_THAT(LogTail(path, 9, /*begin=*/5), ElementsAre("two", "three"));
  EXPECT_THAT(LogTail(path, 9, /*begin=*/1000), IsEmpty());
  EXPECT_THAT(LogTail(dir / "none", 2), IsEmpty());
}

TEST(FailureTest, OfALargeLogOnlyTheEndIsRead) {
  const TempDir dir;
  const std::string path = dir.Write(
      "log", absl::StrCat(std::string(1 << 20, 'x'), "\nlast words\n"));
  EXPECT_THAT(LogTail(path, 1), ElementsAre("last words"));
  EXPECT_LE(LogTail(path, 2).front().size(), size_t{1} << 16);
}

}  // namespace
}  // namespace aha::cli
