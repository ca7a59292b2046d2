// What the keys of prompts say about files: presets, mappings, held-out
// prompts.
#include "job/data_preset.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <string>
#include <vector>

#include "aha/v1/options.pb.h"
#include "job/file/explain.h"
#include "job/options.h"
#include "tests/job/minimal_job.h"

namespace aha {
namespace {

using ::testing::ElementsAre;
using ::testing::ElementsAreArray;
using ::testing::HasSubstr;
using ::testing::IsEmpty;

v1::Job PromptsWith(std::vector<std::string> keys) {
  for (std::string& key : keys) key = "prompts." + key;
  // Without the sft stage, which would need the generator's keys.
  keys.insert(keys.begin(),
              "stages=[{name: g, type: grpo, grpo: {steps: 1}}, {name: e, "
              "type: eval}]");
  const auto job = ParseJob(kMinimalJob, "job.yaml", keys);
  EXPECT_TRUE(job.ok()) << job.status();
  return job.value_or(v1::Job());
}

std::string PromptsRefused(std::vector<std::string> keys) {
  for (std::string& key : keys) key = "prompts." + key;
  return ErrorWith(keys);
}

TEST(DataPresetTest, TheSchemaAllowsExactlyTheTablesNames) {
  const auto& rule = v1::Prompts::descriptor()
                         ->FindFieldByName("preset")
                         ->options()
                         .GetExtension(v1::rule);
  std::vector<std::string> names;
  for (const DataPreset& preset : DataPresets()) {
    names.emplace_back(preset.name);
  }
  EXPECT_THAT(rule.one_of(), ElementsAreArray(names));
}

TEST(DataPresetTest, APresetSetsTheKeysThatTheJobFileLeavesOut) {
  const v1::Job gsm8k = PromptsWith({"file=x", "preset=gsm8k"});
  EXPECT_EQ(gsm8k.prompts().fields().prompt(), "question");
  EXPECT_EQ(gsm8k.prompts().extract().after(), "####");
  const v1::Job other =
      PromptsWith({"file=x", "preset=gsm8k", "fields.prompt=query",
                   "extract={regex: '(x)'}"});
  EXPECT_EQ(other.prompts().fields().prompt(), "query");
  EXPECT_EQ(other.prompts().fields().answer(), "answer");
  EXPECT_FALSE(other.prompts().extract().has_after());
  EXPECT_EQ(other.prompts().extract().regex(), "(x)");
  // A job that is resolved again stays as it is.
  EXPECT_EQ(ResolveJob(gsm8k)->SerializeAsString(), gsm8k.SerializeAsString());
  EXPECT_EQ(ParseJob(JobToYaml(other), "again.yaml")->SerializeAsString(),
            other.SerializeAsString());
}

TEST(DataPresetTest, ExplainShowsWhatAPresetSets) {
  EXPECT_THAT(
      *Explain("prompts.preset"),
      HasSubstr("It sets\n    fields.prompt question, fields.answer answer, "
                "extract.after ####."));
  EXPECT_THAT(*Explain("prompts.fields.answer"),
              HasSubstr("Set by preset: gsm8k answer, math solution"));
}

TEST(DataKeysTest, KeysThatDescribeFilesNeedFiles) {
  for (const char* key : {"preset=gsm8k", "fields={prompt: q}",
                          "extract={boxed: true}", "eval_file=e"}) {
    EXPECT_THAT(PromptsRefused({key}),
                HasSubstr("needs prompts.file or prompts.files"))
        << key;
  }
  EXPECT_THAT(PromptsRefused({"file=a", "files=[b]"}),
              HasSubstr("must have either file or files, has both"));
  EXPECT_THAT(PromptsRefused({"files=[a, '']"}),
              HasSubstr("prompts.files[1]: must not be empty"));
  EXPECT_THAT(PromptsRefused({"file=a", "preset=gms8k"}),
              HasSubstr("did you mean gsm8k?"));
}

TEST(DataKeysTest, AnExtractionIsCheckedWithTheJobFile) {
  EXPECT_THAT(PromptsRefused({"file=a", "extract={regex: '('}"}),
              HasSubstr("prompts: extract.regex must be a regular expression"));
  EXPECT_THAT(PromptsRefused({"file=a", "extract={after: x, boxed: true}"}),
              HasSubstr("only one of them may be given"));
  EXPECT_THAT(PromptsRefused({"file=a", "extract={boxed: false}"}),
              HasSubstr("prompts.extract.boxed: must be true or be left out"));
}

TEST(DataKeysTest, HeldOutPromptsComeFromTheirOwnFileIfThereIsOne) {
  const v1::Job split = PromptsWith({"files=[a, b]"});
  EXPECT_THAT(PromptOptions(split, Split::kTrain)->files.paths,
              ElementsAre("a", "b"));
  EXPECT_EQ(PromptOptions(split, Split::kTrain)->split, Split::kTrain);
  EXPECT_EQ(PromptOptions(split, Split::kEval)->split, Split::kEval);
  EXPECT_EQ(PromptsKey(split, Split::kEval), "prompts.files");
  const v1::Job own = PromptsWith({"file=a", "eval_file=e", "on_bad_row=skip"});
  EXPECT_EQ(PromptOptions(own, Split::kTrain)->split, Split::kAll);
  EXPECT_EQ(PromptOptions(own, Split::kEval)->split, Split::kAll);
  EXPECT_THAT(PromptOptions(own, Split::kEval)->files.paths, ElementsAre("e"));
  EXPECT_TRUE(PromptOptions(own, Split::kEval)->files.skip_bad_rows);
  EXPECT_EQ(PromptsKey(own, Split::kEval), "prompts.eval_file");
  EXPECT_THAT(PromptOptions(PromptsWith({}), Split::kEval)->files.paths,
              IsEmpty());
}

TEST(DataKeysTest, AReferenceIsRequiredOnlyByRewardsThatReadIt) {
  EXPECT_TRUE(PromptMappingOf(PromptsWith({"file=a"})).answer_required);
  const auto job =
      ParseJob(kMinimalJob, "job.yaml",
               {"prompts.file=a", "rewards=[{type: format}]",
                "stages=[{name: g, type: grpo, grpo: {steps: 1}}]"});
  ASSERT_TRUE(job.ok()) << job.status();
  EXPECT_FALSE(PromptMappingOf(*job).answer_required);
}

TEST(DataKeysTest, PathsBecomeAbsolute) {
  v1::Job job = PromptsWith({"files=[a, /b]", "eval_file=e"});
  MakePathsAbsolute(&job);
  EXPECT_EQ(job.prompts().files(0)[0], '/');
  EXPECT_EQ(job.prompts().files(1), "/b");
  EXPECT_EQ(job.prompts().eval_file()[0], '/');
}

}  // namespace
}  // namespace aha
