#include <gmock/gmock.h>
#include <google/protobuf/util/json_util.h>
#include <google/protobuf/util/message_differencer.h>
#include <gtest/gtest.h>

#include "tests/job/minimal_job.h"

namespace aha {
namespace {

using ::google::protobuf::util::MessageDifferencer;
using ::testing::HasSubstr;
using ::testing::StartsWith;

v1::Job Odd() {
  // The job has texts that YAML would read as another type, and numbers whose
  // last bit matters.
  auto job =
      ParseJob(kMinimalJob, "job.yaml",
               {"name='123'", "seed=18446744073709551615",
                "model={path: '/a b/\"c\"\\d'}", "prompts.format=chat",
                "prompts.system=\"true\"", "rewards[0].name='no'",
                "stages[1].grpo.epsilon=0.1000000000000000055511151231257827",
                "stages[1].grpo.optimizer.learning_rate=3.0000000000000001e-05",
                "stages[0].name=null1", "stages[0].sft.file=\"x: y # z\""});
  EXPECT_TRUE(job.ok()) << job.status();
  return *std::move(job);
}

TEST(WriterTest, YamlReadsBackAsTheSameJob) {
  for (const v1::Job& job : {Odd(), *ParseJob(kMinimalJob, "job.yaml")}) {
    const std::string yaml = JobToYaml(job);
    const auto again = ParseJob(yaml, "resolved.yaml");
    ASSERT_TRUE(again.ok()) << again.status() << "\n" << yaml;
    EXPECT_TRUE(MessageDifferencer::Equals(job, *again)) << yaml;
    EXPECT_EQ(JobToYaml(*again), yaml);
  }
}

TEST(WriterTest, JsonReadsBackAsTheSameJob) {
  for (const v1::Job& job : {Odd(), *ParseJob(kMinimalJob, "job.yaml")}) {
    const std::string json = JobToJson(job);
    v1::Job again;
    const auto status =
        google::protobuf::util::JsonStringToMessage(json, &again);
    ASSERT_TRUE(status.ok()) << status.ToString() << "\n" << json;
    EXPECT_TRUE(MessageDifferencer::Equals(job, again)) << json;
  }
}

TEST(WriterTest, YamlFollowsTheSchemasOrder) {
  const std::string yaml = JobToYaml(*ParseJob(kMinimalJob, "job.yaml"));
  EXPECT_THAT(yaml, StartsWith("name: small\nseed: 1\nmodel:\n  architecture:\n"
                               "    hidden_size: 64\n"));
  EXPECT_THAT(yaml, HasSubstr("stages:\n  - name: pretrain\n    type: sft\n"
                              "    sft:\n      steps: 3\n"));
  EXPECT_THAT(yaml, HasSubstr("kinds: [sums, machine, swaps, pointers]\n"));
}

TEST(WriterTest, EmptyMessagesAreWritten) {
  v1::Job job;
  job.mutable_model();
  job.add_stages();
  EXPECT_EQ(JobToYaml(job), "model: {}\nstages:\n  - {}\n");
  EXPECT_EQ(JobToJson(job), "{\n  \"model\": {},\n  \"stages\": [{}]\n}\n");
}

}  // namespace
}  // namespace aha
