#include "cli/term/follow.h"

#include <signal.h>
#include <unistd.h>

#include <cstdio>
#include <fstream>
#include <string>
#include <vector>

#include "absl/strings/str_cat.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "tests/temp_dir.h"

namespace aha::cli {
namespace {

using ::testing::ElementsAre;
using ::testing::IsEmpty;

class FollowTest : public ::testing::Test {
 protected:
  std::vector<std::string> Tails(const std::vector<FollowedFile>& files,
                                 int lines) {
    std::vector<std::string> printed;
    EXPECT_EQ(PrintTails(files, lines, /*follow=*/false,
                         [&](const FollowedFile& file, absl::string_view line) {
                           printed.push_back(absl::StrCat(file.name, line));
                         }),
              0);
    return printed;
  }
  const TempDir dir_;
};

TEST_F(FollowTest, TheLastLinesOfEachFileAreGiven) {
  const std::string a = dir_.Write("a", "1\n2\n3\n");
  const std::string b = dir_.Write("b", "4\n");
  EXPECT_THAT(Tails({{a, "a:"}, {b, "b:"}}, 2),
              ElementsAre("a:2", "a:3", "b:4"));
  EXPECT_THAT(Tails({{a, ""}}, 0), IsEmpty());
}

TEST_F(FollowTest, ALastLineWithoutItsNewlineIsGivenToo) {
  EXPECT_THAT(Tails({{dir_.Write("a", "1\n\n2"), ""}}, 9),
              ElementsAre("1", "", "2"));
}

TEST_F(FollowTest, AFileThatIsNotThereHasNoLines) {
  EXPECT_THAT(Tails({{dir_ / "none", ""}}, 9), IsEmpty());
}

TEST_F(FollowTest, ALogLongerThanABufferIsWhole) {
  const std::string line(100'000, 'x');
  EXPECT_THAT(
      Tails({{dir_.Write("a", absl::StrCat(line, "\n", line, "\n")), ""}}, 9),
      ElementsAre(line, line));
}

// Following lasts until stdout is closed, so a child does it and ends itself.
TEST_F(FollowTest, WhatIsAppendedIsGivenLineByLine) {
  const std::string path = dir_.Write("a", "one\nunfin");
  EXPECT_EXIT(PrintTails({{path, ""}}, 9, /*follow=*/true,
                         [&](const FollowedFile&, absl::string_view line) {
                           std::ofstream file(path, std::ios::app);
                           if (line == "one") file << "ished\n";
                           if (line == "finished" || line == "unfin")
                             ::_exit(1);
                           if (line == "unfinished") ::_exit(0);
                         }),
              ::testing::ExitedWithCode(0), "");
}

TEST_F(FollowTest, AFileThatBecomesShorterIsReadFromItsBeginning) {
  const std::string path = dir_.Write("a", "one\nunfinished");
  EXPECT_EXIT(PrintTails({{path, ""}}, 9, /*follow=*/true,
                         [&](const FollowedFile&, absl::string_view line) {
                           if (line == "one") {
                             std::ofstream(path) << "new\n";
                           } else {
                             // Nothing of the old file stands before it.
                             ::_exit(line == "new" ? 0 : 1);
                           }
                         }),
              ::testing::ExitedWithCode(0), "");
}

TEST_F(FollowTest, FollowingEndsWithoutAnErrorWhenStdoutIsClosed) {
  const std::string path = dir_.Write("a", "one\n");
  EXPECT_EXIT(
      {
        ::signal(SIGPIPE, SIG_IGN);
        int ends[2];
        if (::pipe(ends) != 0) ::_exit(99);
        ::close(ends[0]);
        ::dup2(ends[1], STDOUT_FILENO);
        ::_exit(PrintTails({{path, ""}}, 9, /*follow=*/true,
                           [](const FollowedFile&, absl::string_view line) {
                             std::printf("%s\n", std::string(line).c_str());
                           }));
      },
      ::testing::ExitedWithCode(0), "");
}

}  // namespace
}  // namespace aha::cli
