#include "cli/term/follow.h"

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

}  // namespace
}  // namespace aha::cli
