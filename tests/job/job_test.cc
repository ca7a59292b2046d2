#include "job/file/job.h"

#include <gmock/gmock.h>
#include <google/protobuf/util/message_differencer.h>
#include <gtest/gtest.h>

#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <string>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_replace.h"
#include "data/generator.h"
#include "job/file/schema.h"
#include "tests/job/minimal_job.h"

namespace aha {
namespace {

using ::google::protobuf::util::MessageDifferencer;
using ::testing::AllOf;
using ::testing::HasSubstr;

v1::Job Minimal() {
  auto job = ParseJob(kMinimalJob, "job.yaml");
  EXPECT_TRUE(job.ok()) << job.status();
  return *std::move(job);
}

TEST(JobTest, FillsInEveryDefault) {
  const v1::Job job = Minimal();
  EXPECT_TRUE(job.has_seed());
  EXPECT_EQ(job.seed(), 1u);
  EXPECT_EQ(job.model().architecture().intermediate_size(), 384);
  EXPECT_EQ(job.rewards(0).name(), "accuracy");
  EXPECT_EQ(job.rewards(0).weight(), 1);
  EXPECT_EQ(job.prompts().generated().kinds_size(), 4);
  EXPECT_TRUE(job.has_checkpoint() && job.checkpoint().has_keep());
  EXPECT_TRUE(job.cluster().has_lease_seconds());
  EXPECT_TRUE(job.stages(0).sft().corpus().has_facts());
  EXPECT_EQ(job.stages(1).grpo().optimizer().adam_beta2(), 0.999);
  EXPECT_EQ(job.stages(2).eval().sampling().max_completion_length(), 64);
  EXPECT_FALSE(job.stages(1).grpo().has_epsilon_high());
  EXPECT_FALSE(job.stages(1).grpo().has_delta());
  EXPECT_FALSE(job.model().has_path());
  EXPECT_FALSE(job.stages(0).has_grpo());
}

TEST(JobTest, ADefaultPromptLengthLeavesRoomInAShortContext) {
  EXPECT_EQ(Minimal().prompts().max_prompt_length(), 64);
  const auto job =
      ParseJob(kMinimalJob, "job.yaml",
               {"model.architecture.max_position_embeddings=4096"});
  EXPECT_EQ(job->prompts().max_prompt_length(), 512);
}

TEST(JobTest, AnEvalStageOverridesSamplingKeyByKey) {
  const auto job =
      ParseJob(kMinimalJob, "job.yaml",
               {"stages[2].eval.sampling.temperature=0", "sampling.top_p=0.9"});
  ASSERT_TRUE(job.ok()) << job.status();
  EXPECT_EQ(job->stages(2).eval().sampling().temperature(), 0);
  EXPECT_EQ(job->stages(2).eval().sampling().top_p(), 0.9);
  EXPECT_EQ(job->sampling().temperature(), 1);
}

TEST(JobTest, ResolvingIsIdempotent) {
  const v1::Job job = Minimal();
  const auto again = ResolveJob(job);
  ASSERT_TRUE(again.ok()) << again.status();
  EXPECT_TRUE(MessageDifferencer::Equals(job, *again));
}

TEST(JobTest, ResolvingChecksMessagesToo) {
  v1::Job job = Minimal();
  job.mutable_stages(1)->mutable_grpo()->set_num_generations(1);
  EXPECT_EQ(ResolveJob(job).status().message(),
            "stages[1].grpo.num_generations: must be from 2 to 1024, got 1");
  EXPECT_THAT(
      ResolveJob(v1::Job()).status().ToString(),
      AllOf(HasSubstr("name: is required"), HasSubstr("model: is required"),
            HasSubstr("stages: is required")));
}

TEST(JobTest, AnUnknownKeyIsNamedWithTheNearestKnownOne) {
  const std::string text = absl::StrReplaceAll(
      kMinimalJob, {{"      steps: 5", "      num_generatons: 5"}});
  EXPECT_THAT(ErrorOf(text),
              HasSubstr("job.yaml:18: stages[1].grpo.num_generatons: unknown "
                        "key; did you mean num_generations?"));
  EXPECT_THAT(ErrorOf(absl::StrCat(kMinimalJob, "clutser:\n  actors: 2\n")),
              HasSubstr("job.yaml:21: clutser: unknown key; did you mean "
                        "cluster?"));
  EXPECT_THAT(ErrorWith({"num_generations=4"}),
              HasSubstr("unknown key; did you mean "
                        "stages[].grpo.num_generations?"));
  EXPECT_THAT(ErrorWith({"checkpoint.zzzzzzzz=1"}),
              HasSubstr("unknown key; checkpoint has every_steps, keep"));
}

TEST(JobTest, ANumberTooLargeForItsTypeIsRefusedWithTheRange) {
  EXPECT_EQ(ErrorWith({"seed=18446744073709551615"}), "ok");
  EXPECT_THAT(ErrorWith({"seed=18446744073709551616"}),
              HasSubstr("seed: must be a whole number from 0 to "
                        "18446744073709551615, is '18446744073709551616'"));
  EXPECT_THAT(ErrorWith({"stages[0].sft.steps=99999999999"}),
              HasSubstr("must be a whole number from 1 to 2147483647, is "
                        "'99999999999'"));
  EXPECT_THAT(ErrorWith({"cluster.actors=99999999999"}),
              HasSubstr("must be a whole number from 1 to 1024, is"));
}

TEST(JobTest, AWrongTypeIsNamedWithWhatWasFound) {
  EXPECT_THAT(ErrorWith({"seed=many"}),
              HasSubstr("seed: must be a whole number from 0 to "
                        "18446744073709551615, is 'many'"));
  EXPECT_THAT(ErrorWith({"seed=-1"}), HasSubstr("is '-1'"));
  EXPECT_THAT(ErrorWith({"stages[0].sft.steps=1.5"}),
              HasSubstr("stages[0].sft.steps: must be a whole number from 1 to "
                        "2147483647, is '1.5'"));
  EXPECT_THAT(ErrorWith({"stages[0].sft.steps='5'"}),
              HasSubstr("is '5' in quotes"));
  EXPECT_THAT(ErrorWith({"sampling.temperature=[1]"}),
              HasSubstr("must be a number, is a list"));
  EXPECT_THAT(ErrorWith({"sampling.temperature=.nan"}),
              HasSubstr("must be a number"));
  EXPECT_THAT(ErrorWith({"sampling.temperature=inf"}),
              HasSubstr("must be a number"));
  EXPECT_THAT(ErrorWith({"prompts.shuffled_answers=yes"}),
              HasSubstr("must be true or false, is 'yes'"));
  EXPECT_THAT(ErrorWith({"name={a: b}"}), HasSubstr("must be text, is a map"));
  EXPECT_THAT(ErrorWith({"sampling=3"}),
              HasSubstr("sampling: must be a map of keys, is a value"));
  EXPECT_THAT(ErrorWith({"rewards={type: accuracy}"}),
              HasSubstr("rewards: must be a list of maps, is a map"));
  EXPECT_THAT(ErrorWith({"seed="}), HasSubstr("seed: has no value"));
}

TEST(JobTest, RangesAndChoicesAreEnforced) {
  EXPECT_THAT(ErrorWith({"cluster.learners=0"}),
              HasSubstr("cluster.learners: must be from 1 to 64, got 0"));
  EXPECT_THAT(ErrorWith({"stages[0].sft.optimizer.learning_rate=0"}),
              HasSubstr("learning_rate: must be above 0, got 0"));
  EXPECT_THAT(ErrorWith({"sampling.max_completion_length=0"}),
              HasSubstr("must be at least 1 tokens, got 0"));
  EXPECT_THAT(ErrorWith({"stages[1].grpo.loss_type=dappo"}),
              HasSubstr("must be one of grpo, dapo, dr_grpo, bnpo, cispo; got "
                        "'dappo'; did you mean dapo?"));
  EXPECT_THAT(ErrorWith({"prompts.generated.kinds=[sums, swap]"}),
              HasSubstr("prompts.generated.kinds[1]: must be one of"));
  EXPECT_EQ(ErrorWith({"sampling.top_p=1"}), "ok");
  EXPECT_THAT(ErrorWith({"sampling.top_p=0"}),
              HasSubstr("must be from 1e-06 to 1, got 0"));
}

TEST(JobTest, PathsCanBeMadeIndependentOfTheWorkingDirectory) {
  auto job = ParseJob(kMinimalJob, "job.yaml",
                      {"model={path: ../m}", "prompts={file: a/./p.jsonl}",
                       "stages[0].sft={steps: 3, file: /d.jsonl}"});
  ASSERT_TRUE(job.ok()) << job.status();
  MakePathsAbsolute(&*job);
  const auto here = std::filesystem::current_path();
  EXPECT_EQ(job->model().path(), here.parent_path() / "m");
  EXPECT_EQ(job->prompts().file(), here / "a/p.jsonl");
  EXPECT_EQ(job->stages(0).sft().file(), "/d.jsonl");
  EXPECT_FALSE(job->stages(1).has_sft());
  auto none = ParseJob(kMinimalJob, "job.yaml");
  ASSERT_TRUE(none.ok()) << none.status();
  const std::string before = none->SerializeAsString();
  MakePathsAbsolute(&*none);
  EXPECT_EQ(none->SerializeAsString(), before);
}

TEST(JobTest, RequiredKeysAreNamed) {
  EXPECT_THAT(ErrorWith({"stages[0].sft={}"}),
              HasSubstr("stages[0].sft.steps: is required"));
  EXPECT_THAT(ErrorWith({"stages[2].type=grpo"}),
              HasSubstr("stages[2].grpo.steps: is required"));
  EXPECT_THAT(ErrorWith({"rewards[0]={weight: 1}"}),
              HasSubstr("rewards[0].type: is required"));
  EXPECT_THAT(ErrorWith({"stages=[]"}), HasSubstr("stages: is required"));
}

TEST(JobTest, SeveralErrorsAreReportedTogetherOnALineEach) {
  const std::string error =
      ErrorWith({"cluster.learners=0", "stages[1].grpo.num_generations=1"});
  EXPECT_THAT(error,
              AllOf(HasSubstr("cluster.learners: must be"), HasSubstr("\n"),
                    HasSubstr("num_generations: must be")));
}

TEST(JobTest, ADuplicateKeyIsAnError) {
  EXPECT_THAT(ErrorOf(absl::StrCat(kMinimalJob, "name: other\n")),
              HasSubstr("job.yaml:21: name: the key is given twice"));
}

TEST(JobTest, TheSchemaUsesOnlyTypesThatTheReaderKnows) {
  for (const SchemaKey& key : SchemaKeys(*v1::Job::descriptor())) {
    const auto type = key.field->cpp_type();
    EXPECT_TRUE(type == FieldDescriptor::CPPTYPE_BOOL ||
                type == FieldDescriptor::CPPTYPE_DOUBLE ||
                type == FieldDescriptor::CPPTYPE_INT32 ||
                type == FieldDescriptor::CPPTYPE_UINT64 ||
                type == FieldDescriptor::CPPTYPE_STRING ||
                type == FieldDescriptor::CPPTYPE_MESSAGE)
        << key.path;
    EXPECT_FALSE(key.field->is_repeated() && !IsMessage(*key.field) &&
                 type != FieldDescriptor::CPPTYPE_STRING)
        << key.path;
    EXPECT_FALSE(RuleOf(*key.field).help().empty()) << key.path;
  }
}

TEST(JobTest, TheSchemaAndTheGeneratorHaveTheSameKinds) {
  const FieldDescriptor* kinds =
      v1::Generated::descriptor()->FindFieldByName("kinds");
  for (const std::string& name : RuleOf(*kinds).one_of()) {
    EXPECT_TRUE(ParseExerciseKind(name).ok()) << name;
  }
  EXPECT_EQ(RuleOf(*kinds).one_of_size(), 5);
}

TEST(JobTest, EveryRecipeIsValid) {
  int recipes = 0;
  for (const auto& entry : std::filesystem::directory_iterator(
           absl::StrCat(AHA_SOURCE_DIR, "/recipes"))) {
    if (entry.path().extension() != ".yaml") continue;
    const auto job = LoadJob(entry.path().string());
    EXPECT_TRUE(job.ok()) << job.status();
    ++recipes;
  }
  EXPECT_GT(recipes, 0);
}

}  // namespace
}  // namespace aha
