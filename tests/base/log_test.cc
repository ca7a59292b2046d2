#include "base/log.h"

#include <string>
#include <thread>
#include <vector>

#include "absl/strings/str_split.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"

namespace aha {
namespace {

using ::testing::MatchesRegex;

// Sets the level and the identity for one test, and what they were after it.
class LogTest : public ::testing::Test {
 protected:
  LogTest() { SetLogIdentity("aha-test[test-0]"); }
  ~LogTest() override {
    SetLogIdentity("");
    SetLogLevel(LogLevel::kInfo);
  }
};

TEST_F(LogTest, ALineHasTheTimeTheLevelTheProcessAndTheText) {
  SetLogLevel(LogLevel::kDebug);
  ::testing::internal::CaptureStderr();
  AHA_LOG(kDebug) << "one";
  AHA_LOG(kInfo) << "two " << 2;
  AHA_LOG(kWarning) << 3.5 << ' ' << true;
  AHA_LOG(kError);
  const std::string time = "[0-9][0-9]:[0-9][0-9]:[0-9][0-9]\\.[0-9][0-9][0-9]";
  const std::string who = " aha-test\\[test-0\\] ";
  EXPECT_THAT(
      ::testing::internal::GetCapturedStderr(),
      MatchesRegex(time + " D" + who + "one\n" + time + " I" + who + "two 2\n" +
                   time + " W" + who + "3\\.5 1\n" + time + " E" + who + "\n"));
}

TEST_F(LogTest, BelowTheLowestLevelNothingIsWrittenNorComputed) {
  SetLogLevel(LogLevel::kWarning);
  int computed = 0;
  const auto compute = [&computed] { return ++computed; };
  ::testing::internal::CaptureStderr();
  AHA_LOG(kDebug) << compute();
  AHA_LOG(kInfo) << compute();
  EXPECT_EQ(::testing::internal::GetCapturedStderr(), "");
  EXPECT_EQ(computed, 0);
  EXPECT_FALSE(LogEnabled(LogLevel::kInfo));
  EXPECT_TRUE(LogEnabled(LogLevel::kWarning));
  EXPECT_TRUE(LogEnabled(LogLevel::kError));
}

TEST_F(LogTest, DebugLinesAreOffAtFirst) {
  EXPECT_FALSE(LogEnabled(LogLevel::kDebug));
  EXPECT_TRUE(LogEnabled(LogLevel::kInfo));
}

// The macro is one statement: the `else` belongs to the `if` before it.
TEST_F(LogTest, TheMacroFitsWhereAStatementFits) {
  SetLogLevel(LogLevel::kError);
  bool other = false;
  if (LogEnabled(LogLevel::kError))
    AHA_LOG(kDebug) << "not written";
  else
    other = true;
  EXPECT_FALSE(other);
}

TEST_F(LogTest, LinesOfSeveralThreadsDoNotMix) {
  ::testing::internal::CaptureStderr();
  std::vector<std::thread> threads;
  for (int t = 0; t < 4; ++t) {
    threads.emplace_back([t] {
      for (int i = 0; i < 100; ++i) {
        AHA_LOG(kInfo) << std::string(300, static_cast<char>('a' + t));
        // Another thread may name the process at the same time.
        SetLogIdentity("aha-test[test-0]");
      }
    });
  }
  for (std::thread& thread : threads) thread.join();
  int lines = 0;
  const std::string text = ::testing::internal::GetCapturedStderr();
  for (const absl::string_view line : absl::StrSplit(text, '\n')) {
    if (line.empty()) continue;
    ++lines;
    const size_t at = line.rfind(' ') + 1;
    ASSERT_EQ(line.substr(at), std::string(300, line[at])) << line;
  }
  EXPECT_EQ(lines, 400);
}

}  // namespace
}  // namespace aha
