#include "job/file/explain.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "absl/strings/str_split.h"

namespace aha {
namespace {

using ::testing::HasSubstr;

TEST(ExplainTest, ShowsOneKey) {
  EXPECT_EQ(*Explain("stages[].grpo.num_generations"),
            "stages[].grpo.num_generations\n"
            "    whole number, 2 to 1024, default 16\n"
            "    Completions sampled for each prompt: the group size G.\n"
            "    Elsewhere: num_generations (TRL), rollout.n (verl).\n");
}

TEST(ExplainTest, FindsAKeyByManyNames) {
  const std::string text = *Explain("stages[].grpo.num_generations");
  EXPECT_EQ(*Explain("stages[1].grpo.num_generations"), text);
  EXPECT_EQ(*Explain("stages.grpo.num_generations"), text);
  EXPECT_EQ(*Explain("grpo.num_generations"), text);
  // Those of grpo, eval and sample.
  EXPECT_EQ(ExplainKeys("num_generations")->size(), 3u);
}

TEST(ExplainTest, ShowsASubtreeAndAll) {
  const auto cluster = *ExplainKeys("cluster");
  EXPECT_EQ(cluster[0].path, "cluster");
  EXPECT_EQ(cluster[0].type, "map");
  EXPECT_EQ(cluster[1].path, "cluster.actors");
  EXPECT_EQ(cluster[1].default_value, "1");
  EXPECT_GT(ExplainKeys("")->size(), 80u);
  for (const absl::string_view line : absl::StrSplit(*Explain(""), '\n')) {
    EXPECT_LE(line.size(), 80u) << line;
  }
}

TEST(ExplainTest, AnUnknownKeyGetsTheNearest) {
  const absl::Status status = Explain("cluster.actor").status();
  EXPECT_EQ(status.code(), absl::StatusCode::kNotFound);
  EXPECT_THAT(status.ToString(), HasSubstr("did you mean cluster.actors?"));
  EXPECT_THAT(Explain("qqqqqqqqqqqq").status().ToString(),
              HasSubstr("no key 'qqqqqqqqqqqq' in a job file"));
}

}  // namespace
}  // namespace aha
