#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "tests/job/minimal_job.h"

namespace aha {
namespace {

using ::testing::HasSubstr;

TEST(SemanticsTest, NamesAreFitForDirectories) {
  EXPECT_EQ(ErrorWith({"name=a-b_c.1"}), "ok");
  for (const char* name : {"'../x'", "a/b", "'.x'", "'-x'", "'a b'"}) {
    EXPECT_THAT(ErrorWith({std::string("name=") + name}),
                HasSubstr("name: must be 1 to 100 letters"))
        << name;
  }
  EXPECT_THAT(ErrorWith({"stages[0].name=a/b"}),
              HasSubstr("stages[0].name: must be"));
}

TEST(SemanticsTest, StageNamesAreUnique) {
  EXPECT_THAT(ErrorWith({"stages[2].name=pretrain"}),
              HasSubstr("stages[2].name: must be unique; 'pretrain' is also "
                        "at stages[0].name"));
}

TEST(SemanticsTest, ModelIsAPathOrAnArchitecture) {
  EXPECT_THAT(ErrorWith({"model.path=m"}),
              HasSubstr("model: must have either path or architecture, has "
                        "both"));
  EXPECT_THAT(ErrorWith({"model={dtype: fp32}"}), HasSubstr("has neither"));
  EXPECT_EQ(ErrorWith({"model={path: m}"}), "ok");
}

TEST(SemanticsTest, HeadsMustDivideTheWidth) {
  EXPECT_THAT(ErrorWith({"model.architecture.num_attention_heads=5"}),
              HasSubstr("hidden_size: must be divisible by "
                        "num_attention_heads (5), got 64"));
  EXPECT_THAT(ErrorWith({"model.architecture.num_attention_heads=64",
                         "model.architecture.num_key_value_heads=64"}),
              HasSubstr("must be even"));
  EXPECT_THAT(ErrorWith({"model.architecture.hidden_size=16384"}),
              HasSubstr("model.architecture.hidden_size: divided by "
                        "num_attention_heads must be even for the rotary "
                        "embedding and at most 1024, got 16384 / 4"));
  EXPECT_THAT(ErrorWith({"model.architecture.num_key_value_heads=3"}),
              HasSubstr("num_key_value_heads: must divide "
                        "num_attention_heads (4), got 3"));
}

TEST(SemanticsTest, PromptAndCompletionFitTheContext) {
  EXPECT_THAT(
      ErrorWith({"prompts.max_prompt_length=100"}),
      HasSubstr("sampling.max_completion_length: with "
                "prompts.max_prompt_length must be at most "
                "model.architecture.max_position_embeddings (128), got 64 + "
                "100"));
  EXPECT_THAT(ErrorWith({"sampling.max_completion_length=128"}),
              HasSubstr("must be at most"));
  EXPECT_THAT(ErrorWith({"stages[2].eval.sampling.max_completion_length=128"}),
              HasSubstr("stages[2].eval.sampling.max_completion_length: with"));
}

TEST(SemanticsTest, PromptsComeFromOnePlace) {
  const std::string no_corpus = "stages[0].sft.file=d.jsonl";
  EXPECT_THAT(
      ErrorWith({no_corpus, "prompts={file: p.jsonl, generated: {}}"}),
      HasSubstr("prompts: must have either file or generated, has both"));
  EXPECT_EQ(ErrorWith({no_corpus, "prompts.file=p.jsonl"}), "ok");
  // The corpus of an sft stage comes from the generator.
  EXPECT_EQ(ErrorWith({"prompts.file=p.jsonl"}), "ok");
  EXPECT_THAT(ErrorWith({"prompts.generated.min_operations=9"}),
              HasSubstr("min_operations: must be at most max_operations (7), "
                        "got 9"));
}

TEST(SemanticsTest, AStepAnEvaluationAndAGroupAreBounded) {
  EXPECT_THAT(ErrorWith({"stages[1].grpo.prompts_per_step=65537"}),
              HasSubstr("stages[1].grpo.prompts_per_step: times "
                        "num_generations must be at most 1048576, got 65537 x "
                        "16"));
  EXPECT_THAT(ErrorWith({"stages[2].eval={prompts: 2147483647}"}),
              HasSubstr("stages[2].eval.prompts: must be from 1 to 1048576, "
                        "got 2147483647"));
  EXPECT_THAT(
      ErrorWith({"stages[2].eval={prompts: 1048576, num_generations: 2}"}),
      HasSubstr("stages[2].eval.prompts: times num_generations must be at "
                "most 1048576, got 1048576 x 2"));
  EXPECT_THAT(ErrorWith({"stages[0].sft.documents_per_step=2147483647",
                         "stages[0].sft.documents_per_micro_batch=2147483647"}),
              HasSubstr("stages[0].sft.documents_per_step: must be from 1 to "
                        "1048576"));
  const std::string long_context =
      "model.architecture.max_position_embeddings=1048576";
  const std::string length = "sampling.max_completion_length=4097";
  const std::string stage = "stages[1].grpo.num_generations=1024";
  EXPECT_THAT(
      ErrorWith({long_context, length, stage}),
      HasSubstr("stages[1].grpo.num_generations: times "
                "sampling.max_completion_length must be at most 4194304, "
                "got 1024 x 4097"));
  EXPECT_THAT(
      ErrorWith({long_context, length, "stages[2].eval.num_generations=1024"}),
      HasSubstr("stages[2].eval.num_generations: times"));
}

TEST(SemanticsTest, NumbersThatASmallerFormatCannotHoldAreRefused) {
  EXPECT_THAT(ErrorWith({"sampling.top_p=1e-50"}),
              HasSubstr("sampling.top_p: must be from 1e-06 to 1, got 1e-50"));
  EXPECT_THAT(ErrorWith({"rewards[0].weight=-1e308"}),
              HasSubstr("rewards[0].weight: must be from -1e+06 to 1e+06, "
                        "got -1e+308"));
}

// With a shorter lease members would expire between two heartbeats, which are a
// second apart.
TEST(SemanticsTest, ALeaseIsThreeHeartbeatsAtLeast) {
  EXPECT_THAT(ErrorWith({"cluster.lease_seconds=1"}),
              HasSubstr("cluster.lease_seconds: must be at least 3 seconds, "
                        "got 1"));
}

TEST(SemanticsTest, ChatNeedsAModelWithATemplate) {
  EXPECT_THAT(ErrorWith({"prompts.format=chat"}),
              HasSubstr("must be plain with model.architecture"));
  EXPECT_EQ(ErrorWith({"model={path: m}", "prompts.format=chat",
                       "prompts.system=Hello"}),
            "ok");
  EXPECT_THAT(ErrorWith({"prompts.system=Hello"}),
              HasSubstr("prompts.system: needs format: chat"));
}

TEST(SemanticsTest, ScoredStagesNeedRewards) {
  EXPECT_THAT(ErrorWith({"rewards=[]"}),
              HasSubstr("rewards: is required for stages of type grpo and "
                        "eval"));
  EXPECT_THAT(ErrorWith({"rewards[1]={type: accuracy}"}),
              HasSubstr("rewards[1].name: must be unique"));
  EXPECT_EQ(ErrorWith({"rewards[1]={type: accuracy, name: again}"}), "ok");
  EXPECT_THAT(ErrorWith({"rewards[0].weight=0"}),
              HasSubstr("at least one weight must differ from 0"));
}

TEST(SemanticsTest, MicroBatchesDivideTheStep) {
  EXPECT_THAT(ErrorWith({"stages[0].sft.documents_per_micro_batch=33"}),
              HasSubstr("must divide documents_per_step (128), got 33"));
}

TEST(SemanticsTest, TheCorpusMixAddsUp) {
  EXPECT_THAT(ErrorWith({"stages[0].sft.corpus.terse=0.9"}),
              HasSubstr("stages[0].sft.corpus: facts + terse + worked + "
                        "corrected must be above 0 and at most 1, got 1.38"));
  EXPECT_THAT(ErrorWith({"stages[0].sft={steps: 1, file: d, corpus: {}}"}),
              HasSubstr("must have either file or corpus, has both"));
}

TEST(SemanticsTest, OptimizerNumbersAgree) {
  EXPECT_THAT(ErrorWith({"stages[1].grpo.optimizer.warmup_steps=6"}),
              HasSubstr("warmup_steps: must be at most the stage's steps (5), "
                        "got 6"));
  EXPECT_THAT(ErrorWith({"stages[1].grpo.optimizer.adam_beta2=1"}),
              HasSubstr("adam_beta2: must be below 1"));
}

TEST(SemanticsTest, ATemperatureIsNotSoLowThatTheLogitsOverflow) {
  EXPECT_THAT(ErrorWith({"sampling.temperature=1e-9"}),
              HasSubstr("sampling.temperature: must be 0 or at least 0.001, "
                        "got 1e-09"));
  EXPECT_THAT(ErrorWith({"stages[2].eval.sampling.temperature=1e-9"}),
              HasSubstr("stages[2].eval.sampling.temperature: must be 0 or"));
}

TEST(SemanticsTest, GrpoNumbersAgree) {
  EXPECT_THAT(ErrorWith({"stages[1].grpo.delta=1.1"}),
              HasSubstr("delta: must be above 1 + epsilon_high (1.2), got "
                        "1.1"));
  EXPECT_EQ(ErrorWith({"stages[1].grpo.delta=4"}), "ok");
  EXPECT_THAT(ErrorWith({"sampling.temperature=0"}),
              HasSubstr("sampling.temperature: must be above 0 for "
                        "stages[1].grpo"));
  EXPECT_THAT(ErrorWith({"stages[1].grpo.prompts_per_step=2000000"}),
              HasSubstr("times num_generations must be at most 1048576"));
}

}  // namespace
}  // namespace aha
