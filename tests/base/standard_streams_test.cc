#include "base/standard_streams.h"

#include <fcntl.h>
#include <unistd.h>

#include "gmock/gmock.h"
#include "gtest/gtest.h"

namespace aha {
namespace {

TEST(StandardStreamsDeathTest, NoFileTakesTheNumberOfAClosedStream) {
  EXPECT_EXIT(
      {
        ::close(STDIN_FILENO);
        ::close(STDOUT_FILENO);
        OpenStandardStreams();
        const int file = ::open("/dev/null", O_RDONLY);
        ::_exit(file > STDERR_FILENO ? 0 : 1);
      },
      ::testing::ExitedWithCode(0), "");
}

TEST(StandardStreamsDeathTest, OpenOnesAreLeftAlone) {
  EXPECT_EXIT(
      {
        OpenStandardStreams();
        ::dprintf(STDERR_FILENO, "still heard");
        ::_exit(0);
      },
      ::testing::ExitedWithCode(0), "still heard");
}

TEST(StandardStreamsDeathTest, AStreamThatWasClosedGivesNothingAndTakesAll) {
  EXPECT_EXIT(
      {
        for (int fd = STDIN_FILENO; fd <= STDERR_FILENO; ++fd) ::close(fd);
        OpenStandardStreams();
        char byte = 0;
        const bool empty = ::read(STDIN_FILENO, &byte, 1) == 0;
        const bool taken = ::write(STDOUT_FILENO, "x", 1) == 1 &&
                           ::write(STDERR_FILENO, "x", 1) == 1;
        ::_exit(empty && taken ? 0 : 1);
      },
      ::testing::ExitedWithCode(0), "");
}

// The one in the middle is closed: the others keep what they are.
TEST(StandardStreamsDeathTest, OnlyTheClosedOneIsReplaced) {
  EXPECT_EXIT(
      {
        int ends[2];
        if (::pipe(ends) != 0) ::_exit(2);
        ::dup2(ends[0], STDIN_FILENO);
        ::close(STDOUT_FILENO);
        OpenStandardStreams();
        char byte = 0;
        const bool piped = ::write(ends[1], "p", 1) == 1 &&
                           ::read(STDIN_FILENO, &byte, 1) == 1 && byte == 'p';
        ::dprintf(STDERR_FILENO, "still heard");
        ::_exit(piped && ::fcntl(STDOUT_FILENO, F_GETFD) >= 0 ? 0 : 1);
      },
      ::testing::ExitedWithCode(0), "still heard");
}

}  // namespace
}  // namespace aha
