#include "reward_service/validate.h"

#include <cmath>
#include <limits>

#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "tests/reward_service/messages.h"

namespace aha::reward {
namespace {

using ::testing::HasSubstr;

absl::Status Context(const std::function<void(v1::GroupContext&)>& change) {
  v1::GroupContext context = reward::Context(0, 2);
  change(context);
  return ValidateContext(context);
}

absl::Status Trajectory(const std::function<void(v1::Trajectory&)>& change) {
  v1::Trajectory trajectory = TrajectoryOf(1);
  change(trajectory);
  return ValidateTrajectory(reward::Context(0, 2), trajectory);
}

void ExpectRefused(const absl::Status& status, const std::string& field) {
  EXPECT_TRUE(absl::IsInvalidArgument(status)) << status;
  EXPECT_THAT(std::string(status.message()), HasSubstr(field));
}

TEST(ValidateTest, AcceptsAWellFormedContextAndTrajectory) {
  EXPECT_TRUE(Context([](auto&) {}).ok());
  EXPECT_TRUE(Trajectory([](auto&) {}).ok());
}

TEST(ValidateTest, RefusesABrokenContextAndNamesTheField) {
  ExpectRefused(Context([](auto& c) { c.clear_key(); }), "key");
  ExpectRefused(Context([](auto& c) { c.clear_policy(); }), "policy");
  ExpectRefused(Context([](auto& c) { c.mutable_policy()->set_stage(1); }),
                "policy.stage");
  ExpectRefused(Context([](auto& c) { c.set_num_generations(0); }),
                "num_generations");
  ExpectRefused(Context([](auto& c) { c.set_num_generations(1025); }),
                "num_generations");
  ExpectRefused(Context([](auto& c) { c.clear_consumer(); }), "consumer");
  ExpectRefused(Context([](auto& c) { c.clear_prompt_token_ids(); }),
                "prompt_token_ids");
  ExpectRefused(
      Context([](auto& c) { c.set_prompt(std::string((4 << 20) + 1, 'x')); }),
      "prompt");
  ExpectRefused(Context([](auto& c) {
                  AddField(c, "tests", std::string((4 << 20) + 1, 'x'));
                }),
                "context.fields must be at most");
}

TEST(ValidateTest, TheFieldsOfAPromptAreSortedByNameAndEachNameComesOnce) {
  const auto named = [](const std::string& first, const std::string& second) {
    return Context([&](v1::GroupContext& context) {
      AddField(context, first, "1");
      AddField(context, second, "2");
    });
  };
  EXPECT_TRUE(named("level", "tests").ok());
  // Byte order, as std::map has it: neither the locale's nor that of chars.
  EXPECT_TRUE(named("Z", "a").ok());
  EXPECT_TRUE(named("z", "\xc3\xa9").ok());
  EXPECT_TRUE(named("", "a").ok());
  EXPECT_EQ(named("tests", "level").message(),
            "context.fields.name must be sorted and unique, so it must come "
            "after 'tests', got 'level'");
  EXPECT_EQ(named("tests", "tests").message(),
            "context.fields.name must be sorted and unique, so it must come "
            "after 'tests', got 'tests'");
  // A hostile name neither fills the log nor breaks its lines.
  const absl::Status long_name = named("b\n", std::string(100'000, 'a'));
  ExpectRefused(long_name, R"(after 'b\n', got 'aaaa)");
  EXPECT_LT(long_name.message().size(), 300);
}

TEST(ValidateTest, RefusesABrokenTrajectoryAndNamesTheField) {
  ExpectRefused(Trajectory([](auto& t) { t.set_sample(2); }), "sample");
  ExpectRefused(Trajectory([](auto& t) { t.clear_token_ids(); }), "token_ids");
  ExpectRefused(Trajectory([](auto& t) { t.set_token_ids(0, -1); }),
                "token_ids");
  ExpectRefused(Trajectory([](auto& t) { t.add_token_ids(3); }), "logprobs");
  ExpectRefused(
      Trajectory([](auto& t) { t.set_finish_reason(v1::FinishReason()); }),
      "finish_reason");
  const float nan[2] = {-1, std::numeric_limits<float>::quiet_NaN()};
  ExpectRefused(Trajectory([&](auto& t) { t.set_logprobs(nan, sizeof(nan)); }),
                "logprobs[1]");
}

}  // namespace
}  // namespace aha::reward
