#include "job/identity.h"

#include <filesystem>

#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "job/file/job.h"
#include "tests/job/minimal_job.h"
#include "tests/temp_dir.h"

namespace aha {
namespace {

using ::testing::AllOf;
using ::testing::HasSubstr;
using ::testing::Key;
using ::testing::UnorderedElementsAre;

TEST(IdentityTest, TheFingerprintIgnoresWhatDoesNotDecideTheResult) {
  const Hash128 base = ResultFingerprint(*ParseJob(kMinimalJob, "job.yaml"));
  const auto with = [](const std::string& assignment) {
    const auto job = ParseJob(kMinimalJob, "job.yaml", {assignment});
    EXPECT_TRUE(job.ok()) << job.status();
    return ResultFingerprint(*job);
  };
  EXPECT_EQ(with("name=other"), base);
  EXPECT_EQ(with("cluster.actors=3"), base);
  EXPECT_EQ(with("checkpoint.keep=9"), base);
  EXPECT_EQ(with("seed=1"), base);
  EXPECT_NE(with("seed=2"), base);
  EXPECT_NE(with("stages[0].sft.documents_per_micro_batch=16"), base);
  EXPECT_NE(with("stages[1].grpo.epsilon=0.3"), base);
}

TEST(IdentityTest, HowOftenAProgramRunsDoesNotDecideTheResult) {
  const auto with = [](const std::string& component) {
    const auto job =
        ParseJob(kMinimalJob, "job.yaml", {"rewards=[" + component + "]"});
    EXPECT_TRUE(job.ok()) << job.status();
    return ResultFingerprint(*job);
  };
  const Hash128 base = with("{command: [./judge]}");
  EXPECT_EQ(with("{command: [./judge], program: {workers: 3, batch_size: 2, "
                 "timeout_seconds: 5}}"),
            base);
  EXPECT_NE(with("{command: [./other]}"), base);
  EXPECT_NE(with("{command: [./judge, -v]}"), base);
  EXPECT_NE(with("{command: [./judge], program: {max_score: 1}}"), base);
  EXPECT_NE(with("{command: [./judge], on_timeout: 0}"),
            with("{command: [./judge], on_timeout: 0, "
                 "program: {timeout_seconds: 5}}"));
}

// Keys that are younger than a run must not keep it from being continued.
TEST(IdentityTest, TheFingerprintOfAJobOfRulesIsThatOfVersionsBefore) {
  EXPECT_EQ(ResultFingerprint(*ParseJob(kMinimalJob, "job.yaml")).Hex(),
            "50adeb28b223818d7f7b844c324e07a0");
}

class InputFilesTest : public ::testing::Test {
 protected:
  std::string Write(const std::string& name, const std::string& text) const {
    return scratch_.Write(name, text);
  }

  const TempDir scratch_;
  const std::string& directory_ = scratch_.path();
};

TEST_F(InputFilesTest, OneEditedByteChangesTheContent) {
  v1::Job job;
  EXPECT_TRUE(MeasurePrompts(job)->empty());
  job.mutable_prompts()->set_file(Write("p.jsonl", "one"));
  const InputFiles before = *MeasurePrompts(job);
  EXPECT_THAT(before.at("prompts.file"), HasSubstr("3 bytes, checksum "));
  EXPECT_EQ(*MeasurePrompts(job), before);
  Write("p.jsonl", "onf");
  EXPECT_NE(*MeasurePrompts(job), before);
}

TEST_F(InputFilesTest, EveryFileOfADirectoryAndOfAListIsMeasured) {
  v1::Job job;
  std::filesystem::create_directory(directory_ + "/d");
  job.mutable_prompts()->set_file(directory_ + "/d");
  Write("d/a.jsonl", "one");
  const InputFiles before = *MeasurePrompts(job);
  EXPECT_EQ(before.count("prompts.file/a.jsonl"), 1u);
  Write("d/README.md", "no data");
  EXPECT_EQ(*MeasurePrompts(job), before);
  Write("d/b.csv", "two");
  EXPECT_NE(MeasurePrompts(job)->at("prompts.file"), before.at("prompts.file"));
  job.mutable_prompts()->clear_file();
  job.mutable_prompts()->add_files(directory_ + "/d/a.jsonl");
  job.mutable_prompts()->set_eval_file(directory_ + "/d/b.csv");
  const InputFiles list = *MeasurePrompts(job);
  EXPECT_EQ(list.count("prompts.files[0]"), 1u);
  EXPECT_EQ(list.count("prompts.eval_file"), 1u);
}

TEST_F(InputFilesTest, AModelsInputsAreItsTextFilesAndForALearnerItsWeights) {
  v1::Model model;
  model.set_path(directory_);
  Write("config.json", "{}");
  Write("tokenizer.json", "{}");
  Write("model.safetensors", "w");
  Write("README.md", "not read");
  EXPECT_THAT(*MeasureModel(model, WithWeights::kNo),
              UnorderedElementsAre(Key("model.path/config.json"),
                                   Key("model.path/tokenizer.json")));
  EXPECT_THAT(*MeasureModel(model, WithWeights::kYes),
              UnorderedElementsAre(Key("model.path/config.json"),
                                   Key("model.path/model.safetensors"),
                                   Key("model.path/tokenizer.json")));
}

TEST_F(InputFilesTest, ARewardsProgramIsMeasured) {
  v1::Job job;
  EXPECT_TRUE(MeasureRewards(job)->empty());
  job.add_rewards()->set_type("contains");
  v1::RewardComponent& reward = *job.add_rewards();
  reward.set_type("python");
  reward.set_python(Write("mine.py", "one") + ":score");
  const InputFiles before = *MeasureRewards(job);
  EXPECT_THAT(before.at("rewards[1].python"), HasSubstr("3 bytes, checksum "));
  Write("mine.py", "onf");
  EXPECT_NE(*MeasureRewards(job), before);
}

TEST_F(InputFilesTest, AMissingFileIsNamedWithItsKey) {
  v1::Job job;
  job.add_stages();
  v1::Stage& stage = *job.add_stages();
  stage.set_type("sft");
  stage.mutable_sft()->set_file(directory_ + "/none.jsonl");
  const absl::Status status = MeasureDocuments(job).status();
  EXPECT_TRUE(absl::IsInvalidArgument(status));
  EXPECT_THAT(std::string(status.message()),
              AllOf(HasSubstr("stages[1].sft.file"), HasSubstr("none.jsonl")));
}

}  // namespace
}  // namespace aha
