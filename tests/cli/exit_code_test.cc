#include "cli/term/exit_code.h"

#include <fcntl.h>
#include <signal.h>
#include <unistd.h>

#include <cstdio>
#include <map>
#include <string>

#include "gtest/gtest.h"

namespace aha::cli {
namespace {

using ::testing::ExitedWithCode;

// docs/run-directory.md has the same table.
TEST(ExitCodeTest, EachKindOfErrorHasItsOwn) {
  const std::map<absl::StatusCode, int> codes = {
      {absl::StatusCode::kOk, 0},
      {absl::StatusCode::kInternal, 1},
      {absl::StatusCode::kUnknown, 1},
      {absl::StatusCode::kDataLoss, 1},
      {absl::StatusCode::kResourceExhausted, 1},
      {absl::StatusCode::kUnimplemented, 1},
      {absl::StatusCode::kInvalidArgument, 2},
      {absl::StatusCode::kOutOfRange, 2},
      {absl::StatusCode::kNotFound, 4},
      {absl::StatusCode::kAlreadyExists, 5},
      {absl::StatusCode::kFailedPrecondition, 5},
      {absl::StatusCode::kAborted, 5},
      {absl::StatusCode::kPermissionDenied, 6},
      {absl::StatusCode::kUnauthenticated, 6},
      {absl::StatusCode::kUnavailable, 7},
      {absl::StatusCode::kDeadlineExceeded, 7},
      {absl::StatusCode::kCancelled, 130},
  };
  for (const auto& [code, expected] : codes) {
    EXPECT_EQ(ExitCodeOf(absl::Status(code, "x")), expected)
        << absl::StatusCodeToString(code);
  }
}

TEST(ReportTest, EachLineOfAMessageIsALineWithTheProgramsName) {
  ::testing::internal::CaptureStderr();
  EXPECT_EQ(Report(absl::InvalidArgumentError("steps: must be 1\n\nseed: x\n")),
            kExitUsage);
  EXPECT_EQ(::testing::internal::GetCapturedStderr(),
            "ahactl: steps: must be 1\nahactl: seed: x\n");
}

TEST(ReportTest, NoMessageReachesTheTerminalAsAnEscape) {
  ::testing::internal::CaptureStderr();
  EXPECT_EQ(Report(absl::NotFoundError("no job \"\x1b[2J\xFF\"")),
            kExitNotFound);
  EXPECT_EQ(::testing::internal::GetCapturedStderr(),
            "ahactl: no job \"\\x1b[2J?\"\n");
}

TEST(ReportTest, SuccessSaysNothing) {
  ::testing::internal::CaptureStderr();
  EXPECT_EQ(Report(absl::OkStatus()), kExitDone);
  EXPECT_EQ(::testing::internal::GetCapturedStderr(), "");
}

// Replaces stdout by a file that takes nothing, or by a pipe without a reader.
void BreakStdout(bool full) {
  ::signal(SIGPIPE, SIG_IGN);
  if (full) {
    ::dup2(::open("/dev/full", O_WRONLY), STDOUT_FILENO);
    return;
  }
  int ends[2];
  if (::pipe(ends) != 0) ::_exit(99);
  ::close(ends[0]);
  ::dup2(ends[1], STDOUT_FILENO);
}

TEST(WriteOutDeathTest, WhatStdoutDoesNotTakeIsAnErrorWithItsReason) {
  EXPECT_EXIT(
      {
        BreakStdout(/*full=*/true);
        std::printf("result\n");
        ::_exit(WriteOut("ahactl", kExitDone));
      },
      ExitedWithCode(kExitError),
      "^ahactl: stdout: not everything could be written: No space left");
  EXPECT_EXIT(
      {
        BreakStdout(/*full=*/false);
        std::printf("result\n");
        ::_exit(WriteOut("aha-model", kExitDone));
      },
      ExitedWithCode(kExitError),
      "^aha-model: stdout: not everything could be written: Broken pipe");
}

// More than a buffer, so that the first failure is long past.
TEST(WriteOutDeathTest, AnEarlierFailureIsNotForgotten) {
  EXPECT_EXIT(
      {
        BreakStdout(/*full=*/true);
        std::printf("%s\n", std::string(1 << 20, 'x').c_str());
        std::fflush(stdout);
        ::_exit(WriteOut("ahactl", kExitDone));
      },
      ExitedWithCode(kExitError), "not everything could be written");
}

TEST(WriteOutDeathTest, AnotherExitCodeStays) {
  EXPECT_EXIT(
      {
        BreakStdout(/*full=*/true);
        std::printf("result\n");
        ::_exit(WriteOut("ahactl", kExitJobFailed));
      },
      ExitedWithCode(kExitJobFailed), "not everything could be written");
}

TEST(WriteOutDeathTest, ACodeIsPassedOnWhereAllIsWritten) {
  EXPECT_EXIT(
      {
        ::dup2(::open("/dev/null", O_WRONLY), STDOUT_FILENO);
        std::printf("result\n");
        ::_exit(WriteOut("ahactl", kExitUnchanged));
      },
      ExitedWithCode(kExitUnchanged), "^$");
}

}  // namespace
}  // namespace aha::cli
