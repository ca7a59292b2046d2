#include "job/config_errors.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <string>

#include "absl/strings/str_cat.h"

namespace aha {
namespace {

using ::testing::HasSubstr;
using ::testing::Not;

TEST(ConfigErrorsTest, WithoutErrorsTheStatusIsOk) {
  EXPECT_TRUE(ConfigErrors().ToStatus().ok());
  EXPECT_TRUE(ConfigErrors().empty());
}

TEST(ConfigErrorsTest, AnErrorHasThePlaceOfItsKeyOrOfTheNearestAround) {
  const Places places{{"stages[1]", "j.yaml:7"},
                      {"stages[1].grpo.steps", "j.yaml:9"}};
  ConfigErrors errors(&places);
  errors.Add("stages[1].grpo.steps", "a");
  errors.Add("stages[1].grpo.lag", "b");
  errors.Add("name", "c");
  EXPECT_EQ(errors.ToStatus().message(),
            "j.yaml:9: stages[1].grpo.steps: a\n"
            "j.yaml:7: stages[1].grpo.lag: b\n"
            "name: c");
}

TEST(ConfigErrorsTest, AnErrorIsInTheListOnce) {
  ConfigErrors errors;
  errors.Add("sampling", "a");
  errors.Add("sampling", "a");
  errors.Add("sampling", "b");
  EXPECT_EQ(errors.ToStatus().message(), "sampling: a\nsampling: b");
}

TEST(ConfigErrorsTest, OfManyErrorsTwentyAreShownAndTheOthersCounted) {
  ConfigErrors errors;
  for (int i = 0; i < 23; ++i) errors.Add(absl::StrCat("k", i), "wrong");
  const std::string message(errors.ToStatus().message());
  EXPECT_THAT(message, HasSubstr("k19: wrong\nand 3 more"));
  EXPECT_THAT(message, Not(HasSubstr("k20")));
}

TEST(ConfigErrorsTest, ANumberIsWrittenWithTheFewestDigits) {
  EXPECT_EQ(NumberText(0.2), "0.2");
  EXPECT_EQ(NumberText(1e-9), "1e-09");
  EXPECT_EQ(NumberText(3), "3");
}

}  // namespace
}  // namespace aha
