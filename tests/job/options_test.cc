#include "job/options.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "tests/job/minimal_job.h"

namespace aha {
namespace {

v1::Job With(const std::vector<std::string>& overrides) {
  auto job = ParseJob(kMinimalJob, "job.yaml", overrides);
  EXPECT_TRUE(job.ok()) << job.status();
  return *std::move(job);
}

TEST(OptionsTest, CarriesLossSettingsOver) {
  const v1::Job job =
      With({"stages[1].grpo.loss_type=dr_grpo", "stages[1].grpo.epsilon=0.3",
            "stages[1].grpo.epsilon_high=0.4", "stages[1].grpo.delta=4",
            "stages[1].grpo.beta=0.04",
            "stages[1].grpo.importance_sampling_level=sequence",
            "stages[1].grpo.mask_truncated_completions=true",
            "stages[1].grpo.scale_rewards=batch"});
  const v1::Grpo& grpo = job.stages(1).grpo();
  const LossOptions loss = *LossOptionsOf(job, grpo);
  EXPECT_EQ(loss.loss_type, LossType::kDrGrpo);
  EXPECT_EQ(loss.importance, ImportanceLevel::kSequence);
  EXPECT_EQ(loss.epsilon, 0.3);
  EXPECT_EQ(loss.epsilon_high, 0.4);
  EXPECT_EQ(loss.delta, 4);
  EXPECT_EQ(loss.beta, 0.04);
  EXPECT_TRUE(loss.mask_truncated);
  EXPECT_EQ(loss.max_completion_length, 64);
  EXPECT_EQ(AdvantageOptionsOf(grpo)->scale, ScaleRewards::kBatch);
  EXPECT_FALSE(LossOptionsOf(With({}), With({}).stages(1).grpo())->delta);
}

TEST(OptionsTest, CarriesTheSchemaChoicesOver) {
  // Each allowed name must be one that rl/ knows.
  for (const char* type : {"grpo", "dapo", "dr_grpo", "bnpo", "cispo"}) {
    const v1::Job job = With({std::string("stages[1].grpo.loss_type=") + type});
    EXPECT_EQ(LossTypeName(LossOptionsOf(job, job.stages(1).grpo())->loss_type),
              type);
  }
}

TEST(OptionsTest, CarriesPromptsAndDocumentsOver) {
  const v1::Job job = With({"seed=5", "prompts.generated.kinds=[swaps]",
                            "prompts.generated.max_operations=9",
                            "prompts.shuffled_answers=true"});
  const PromptSourceOptions prompts = *PromptOptions(job, Split::kTrain);
  EXPECT_EQ(prompts.seed, 5u);
  ASSERT_EQ(prompts.generator.kinds.size(), 1u);
  EXPECT_EQ(prompts.generator.kinds[0], ExerciseKind::kSwaps);
  EXPECT_EQ(prompts.generator.max_operations, 9);
  EXPECT_TRUE(prompts.shuffled_answers);
  EXPECT_EQ(prompts.split, Split::kTrain);
  const DocumentSourceOptions documents =
      *DocumentOptions(job, job.stages(0).sft());
  EXPECT_EQ(documents.generator.kinds, prompts.generator.kinds);
  EXPECT_EQ(documents.mix.terse, 0.52);
}

TEST(OptionsTest, AFileIsSplitOnlyIfSomethingIsEvaluated) {
  EXPECT_EQ(PromptOptions(With({"prompts.file=p"}), Split::kTrain)->split,
            Split::kTrain);
  const std::vector<std::string> no_eval = {
      "prompts.file=p", "stages[2]={name: b, type: grpo, grpo: {steps: 1}}"};
  EXPECT_EQ(PromptOptions(With(no_eval), Split::kTrain)->split, Split::kAll);
}

TEST(OptionsTest, CarriesTheLearningRateOver) {
  const v1::Job job =
      With({"stages[0].sft.optimizer={learning_rate: 2e-3, lr_scheduler_type: "
            "cosine, warmup_steps: 2, min_lr_ratio: 0.2}"});
  const LearningRateSchedule schedule =
      *ScheduleOf(job.stages(0).sft().optimizer(), 3);
  EXPECT_EQ(schedule.type, LearningRateSchedule::Type::kCosine);
  EXPECT_EQ(schedule.peak, 2e-3);
  EXPECT_EQ(schedule.warmup_steps, 2u);
  EXPECT_EQ(schedule.total_steps, 3u);
  EXPECT_EQ(schedule.min_ratio, 0.2);
}

// The learner's job arrives over the wire, so it may contain any name.
TEST(OptionsTest, UnknownNamesAreRefused) {
  v1::Job job = With({});
  job.mutable_prompts()->mutable_generated()->add_kinds("riddles");
  EXPECT_THAT(std::string(OpenPrompts(job, Split::kTrain).status().message()),
              ::testing::HasSubstr("riddles"));
  EXPECT_FALSE(OpenDocuments(job, job.stages(0).sft()).ok());
  v1::Grpo& grpo = *job.mutable_stages(1)->mutable_grpo();
  grpo.set_loss_type("best");
  grpo.set_scale_rewards("up");
  grpo.mutable_optimizer()->set_lr_scheduler_type("zigzag");
  EXPECT_TRUE(absl::IsInvalidArgument(LossOptionsOf(job, grpo).status()));
  EXPECT_TRUE(absl::IsInvalidArgument(AdvantageOptionsOf(grpo).status()));
  EXPECT_TRUE(
      absl::IsInvalidArgument(ScheduleOf(grpo.optimizer(), 3).status()));
}

}  // namespace
}  // namespace aha
