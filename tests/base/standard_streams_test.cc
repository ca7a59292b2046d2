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

}  // namespace
}  // namespace aha
