// The checks of option values, and what a wrong command line is answered.
#include <CLI/CLI.hpp>
#include <limits>

#include "absl/strings/str_cat.h"
#include "cli/term/exit_code.h"
#include "cli/term/explain.h"
#include "cli/term/option_checks.h"
#include "gtest/gtest.h"

namespace aha::cli {
namespace {

// "" if the value passes, else the message.
std::string Check(const CLI::Validator& check, std::string value) {
  return check(value);
}

TEST(OptionsTest, AWholeNumberOutOfItsRangeIsNamedWithTheRange) {
  EXPECT_EQ(Check(WholeNumber(1, 10), "10"), "");
  EXPECT_EQ(Check(WholeNumber(1, 10), "11"),
            "must be a whole number from 1 to 10, got '11'");
  EXPECT_EQ(Check(WholeNumber(1), "0"),
            "must be a whole number at least 1, got '0'");
  EXPECT_NE(Check(WholeNumber(), "1.5"), "");
  EXPECT_NE(Check(WholeNumber(), "99999999999999999999"), "");
  EXPECT_NE(Check(WholeNumber(), ""), "");
}

TEST(OptionsTest, ASeedHas64Bits) {
  EXPECT_EQ(Check(Seed(), "18446744073709551615"), "");
  EXPECT_NE(Check(Seed(), "18446744073709551616"), "");
  EXPECT_NE(Check(Seed(), "-1"), "");
}

TEST(OptionsTest, ADurationIsPositiveAndFinite) {
  EXPECT_EQ(Check(Duration(), "0.5"), "");
  for (const char* wrong : {"0", "-1", "nan", "inf", "1e10", "soon"}) {
    EXPECT_EQ(Check(Duration(), wrong),
              absl::StrCat("must be a number of seconds above 0, at most 1e9, "
                           "got '",
                           wrong, "'"));
  }
}

TEST(OptionsTest, NoRangeHoldsNotANumber) {
  const auto check = RealNumber("at least 0", [](double x) { return x >= 0; });
  EXPECT_EQ(Check(check, "0"), "");
  EXPECT_EQ(Check(check, "nan"), "must be at least 0, got 'nan'");
}

TEST(OptionsTest, AValueIsQuotedOnOneLine) {
  EXPECT_EQ(Check(WholeNumber(), "1\n2"),
            "must be a whole number at least 0, got '1\\n2'");
}

TEST(ExplainTest, OnlyANearWordIsSuggested) {
  EXPECT_EQ(Nearest("wiat", {"wait", "watch"}), "; did you mean \"wait\"?");
  EXPECT_EQ(Nearest("bogus", {"wait", "watch"}), "");
  EXPECT_EQ(Nearest("wait", {}), "");
}

TEST(ExplainTest, AnOptionIsNamedWithoutItsValue) {
  CLI::App app;
  std::string dir;
  app.add_option("--dir", dir);
  EXPECT_EQ(ExplainExtra("--dri=x", app),
            "unknown option \"--dri\"; did you mean \"--dir\"?");
  EXPECT_EQ(ExplainExtra("more", app), "unexpected argument \"more\"");
}

TEST(ExitCodeTest, EveryKindOfErrorHasItsExitCode) {
  EXPECT_EQ(ExitCodeOf(absl::OkStatus()), 0);
  EXPECT_EQ(ExitCodeOf(absl::InternalError("")), 1);
  EXPECT_EQ(ExitCodeOf(absl::DataLossError("")), 1);
  EXPECT_EQ(ExitCodeOf(absl::InvalidArgumentError("")), 2);
  EXPECT_EQ(ExitCodeOf(absl::NotFoundError("")), 4);
  EXPECT_EQ(ExitCodeOf(absl::AlreadyExistsError("")), 5);
  EXPECT_EQ(ExitCodeOf(absl::FailedPreconditionError("")), 5);
  EXPECT_EQ(ExitCodeOf(absl::PermissionDeniedError("")), 6);
  EXPECT_EQ(ExitCodeOf(absl::UnauthenticatedError("")), 6);
  EXPECT_EQ(ExitCodeOf(absl::UnavailableError("")), 7);
  EXPECT_EQ(ExitCodeOf(absl::DeadlineExceededError("")), 7);
  EXPECT_EQ(ExitCodeOf(absl::CancelledError("")), 130);
}

TEST(ExitCodeTest, EachLineOfAnErrorIsReportedAndMadePrintable) {
  ::testing::internal::CaptureStderr();
  EXPECT_EQ(Report(absl::InvalidArgumentError("one\n\ntwo \x1b[2J")), 2);
  EXPECT_EQ(::testing::internal::GetCapturedStderr(),
            "ahactl: one\nahactl: two \\x1b[2J\n");
}

}  // namespace
}  // namespace aha::cli
