#include "run/layout.h"

#include "gtest/gtest.h"

namespace aha::run {
namespace {

TEST(LayoutTest, AStepsNameIsReadBackAsItself) {
  for (const NamedStep& step :
       {NamedStep{"", 0}, NamedStep{"", 12}, NamedStep{"", 12345678},
        NamedStep{"zero", 3}, NamedStep{"a-step-1", 999999}}) {
    const auto parsed = ParseStepName(StepName(step));
    ASSERT_TRUE(parsed.has_value()) << StepName(step);
    EXPECT_EQ(parsed->stage, step.stage);
    EXPECT_EQ(parsed->step, step.step);
  }
  EXPECT_EQ(StepName({"", 12}), "step-000012");
  EXPECT_EQ(StepName({"zero", 12}), "zero-step-000012");
}

TEST(LayoutTest, OtherNamesAreNoSteps) {
  for (const char* name : {"", "step-", "step-x", "step--1", "zerostep-000001",
                           ".partial-step", "step-99999999999999999999999"}) {
    EXPECT_FALSE(ParseStepName(name).has_value()) << name;
  }
}

}  // namespace
}  // namespace aha::run
