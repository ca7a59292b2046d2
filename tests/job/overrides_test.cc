#include "job/file/overrides.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "tests/job/minimal_job.h"

namespace aha {
namespace {

using ::testing::HasSubstr;
using ::testing::StartsWith;

v1::Job JobWith(const std::vector<std::string>& overrides) {
  auto job = ParseJob(kMinimalJob, "job.yaml", overrides);
  EXPECT_TRUE(job.ok()) << job.status();
  return job.ok() ? *std::move(job) : v1::Job();
}

TEST(OverridesTest, SetsKeysAtAnyDepth) {
  const v1::Job job =
      JobWith({"seed=9", "stages[1].grpo.steps=7", "cluster.actors=2",
               "stages[1].grpo.optimizer.learning_rate=1e-3"});
  EXPECT_EQ(job.seed(), 9u);
  EXPECT_EQ(job.stages(1).grpo().steps(), 7);
  EXPECT_EQ(job.cluster().actors(), 2);
  EXPECT_EQ(job.stages(1).grpo().optimizer().learning_rate(), 1e-3);
}

TEST(OverridesTest, ValuesAreYaml) {
  const v1::Job job =
      JobWith({"prompts.generated.kinds=[sums, swaps]",
               "rewards[1]={type: format, weight: 0.1}",
               "stages[2]={name: last, type: eval, eval: {prompts: 5}}"});
  EXPECT_EQ(job.prompts().generated().kinds(1), "swaps");
  EXPECT_EQ(job.rewards(1).weight(), 0.1);
  EXPECT_EQ(job.stages(2).eval().prompts(), 5);
}

TEST(OverridesTest, TheLastOneWins) {
  EXPECT_EQ(JobWith({"seed=2", "seed=3"}).seed(), 3u);
}

TEST(OverridesTest, ErrorsNameTheOverride) {
  EXPECT_EQ(ErrorWith({"seed"}), "--set seed: must be key=value");
  EXPECT_EQ(ErrorWith({"=3"}), "--set =3: must be key=value with dotted keys");
  EXPECT_THAT(ErrorWith({"stages[x].type=sft"}),
              HasSubstr("'[x]' must be an index like [0]"));
  EXPECT_THAT(ErrorWith({"stages[1=3"}), HasSubstr("must be an index"));
  EXPECT_THAT(ErrorWith({"stages[9].type=sft"}),
              HasSubstr("index must be at most 3 (the list's length), got 9"));
  EXPECT_THAT(ErrorWith({"stages.type=sft"}),
              HasSubstr("'type' is looked up in a list, which needs an index"));
  EXPECT_THAT(ErrorWith({"name[0]=x"}),
              HasSubstr("[0] is looked up in a value"));
  EXPECT_THAT(ErrorWith({"seed=[1"}),
              StartsWith("--set seed=[1: not valid YAML"));
  EXPECT_THAT(ErrorWith({"seed=&a 1"}), HasSubstr("anchors"));
  EXPECT_EQ(ErrorWith({"cluster.actor=2"}),
            "--set cluster.actor=2: cluster.actor: unknown key; did you mean "
            "actors?");
}

}  // namespace
}  // namespace aha
