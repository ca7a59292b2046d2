// Each kind of stage: what it is, its defaults, its checks, its plan.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <string>
#include <utility>
#include <vector>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "absl/strings/str_split.h"
#include "aha/v1/options.pb.h"
#include "job/stages/stage_kind.h"
#include "tests/job/minimal_job.h"

namespace aha {
namespace {

using ::testing::AllOf;
using ::testing::ElementsAre;
using ::testing::ElementsAreArray;
using ::testing::HasSubstr;
using ::testing::IsEmpty;
using ::testing::Not;

// The minimal job with other stages: each is "name, type: x, ...".
v1::Job JobOf(const std::vector<std::string>& stages) {
  const auto job = ParseJob(
      kMinimalJob, "job.yaml",
      {absl::StrCat("stages=[{name: ", absl::StrJoin(stages, "}, {name: "),
                    "}]")});
  EXPECT_TRUE(job.ok()) << job.status();
  return job.value_or(v1::Job());
}

std::string ErrorOfStage(const std::string& stage,
                         std::vector<std::string> overrides = {}) {
  overrides.insert(overrides.begin(),
                   absl::StrCat("stages=[{name: ", stage, "}]"));
  return ErrorWith(overrides);
}

const v1::Rule& RuleOfType() {
  return v1::Stage::descriptor()
      ->FindFieldByName("type")
      ->options()
      .GetExtension(v1::rule);
}

// The errors of CheckInputs of each stage.
std::string InputErrors(const v1::Job& job, const JobInputs& inputs) {
  ConfigErrors errors;
  for (int i = 0; i < job.stages_size(); ++i) {
    FindStageKind(job.stages(i).type())->CheckInputs({job, i}, inputs, &errors);
  }
  return std::string(errors.ToStatus().message());
}

TEST(StageKindsTest, TheTableHasTheTypesOfTheSchemaInItsOrder) {
  std::vector<std::string> names;
  for (const StageKind* kind : StageKinds()) names.emplace_back(kind->name());
  EXPECT_THAT(names, ElementsAreArray(RuleOfType().one_of()));
}

TEST(StageKindsTest, EachKindHasTheSettingsOfItsNameInTheSchema) {
  const auto* settings = v1::Stage::descriptor()->FindOneofByName("settings");
  ASSERT_EQ(settings->field_count(), static_cast<int>(StageKinds().size()));
  for (int i = 0; i < settings->field_count(); ++i) {
    EXPECT_NE(FindStageKind(settings->field(i)->name()), nullptr)
        << settings->field(i)->name();
  }
}

TEST(StageKindsTest, TheSchemaExplainsTheTypesAsTheKindsDo) {
  std::string help;
  for (const StageKind* kind : StageKinds()) {
    absl::StrAppend(&help, help.empty() ? "" : " ", kind->name(), ": ",
                    kind->help(), ".");
  }
  EXPECT_EQ(RuleOfType().help(), help);
}

TEST(StageKindsTest, AnUnknownNameIsNoKind) {
  EXPECT_EQ(FindStageKind("ppo"), nullptr);
  EXPECT_EQ(FindStageKind(""), nullptr);
}

TEST(StageKindsTest, ConsumersAndPromptsAgree) {
  for (const StageKind* kind : StageKinds()) {
    const StageTraits traits = kind->traits();
    EXPECT_EQ(traits.samples(), traits.prompts != PromptUse::kNone)
        << kind->name();
    EXPECT_EQ(kind->rewards() == RewardsNeed::kNone, !traits.samples())
        << kind->name();
  }
}

TEST(StageKindsTest, SettingsOfTwoKindsAreOneErrorThatNamesBoth) {
  EXPECT_EQ(ErrorOfStage("s, type: sft, sft: {steps: 1}, grpo: {steps: 1}"),
            "--set stages=[{name: s, type: sft, sft: {steps: 1}, grpo: "
            "{steps: 1}}]: stages[0].grpo: must be absent beside "
            "stages[0].sft: only one of them may be given");
}

TEST(StageKindsTest, SettingsOfAnotherKindThanTheTypeAreNamed) {
  for (const StageKind* type : StageKinds()) {
    for (const StageKind* settings : StageKinds()) {
      if (type == settings) continue;
      const bool steps = settings->traits().trains;
      EXPECT_THAT(ErrorOfStage(absl::StrCat("s, type: ", type->name(), ", ",
                                            settings->name(), ": {",
                                            steps ? "steps: 1" : "", "}")),
                  HasSubstr(absl::StrCat("stages[0].", settings->name(),
                                         ": must be absent in a stage of type ",
                                         type->name())));
    }
  }
}

TEST(StageKindsTest, SettingsOfAnotherKindAreReportedOfAMessageToo) {
  v1::Job job = JobOf({"s, type: eval"});
  job.mutable_stages(0)->mutable_sft()->set_steps(1);
  EXPECT_EQ(ResolveJob(job).status().message(),
            "stages[0].sft: must be absent in a stage of type eval");
}

TEST(StageKindsTest, AFileIsVisitedAndMayBeReplaced) {
  v1::Job job = JobOf({"s, type: sft, sft: {steps: 1, file: d.jsonl}"});
  std::vector<std::string> seen;
  FindStageKind("sft")->VisitFiles(
      job.mutable_stages(0), [&](absl::string_view key, std::string* file) {
        seen.push_back(absl::StrCat(key, "=", *file));
        *file = "/tmp/d.jsonl";
      });
  EXPECT_THAT(seen, ElementsAre("file=d.jsonl"));
  EXPECT_EQ(job.stages(0).sft().file(), "/tmp/d.jsonl");
}

TEST(StageKindsTest, OnlySftWithoutAFileDrawsDocumentsFromTheGenerator) {
  EXPECT_TRUE(UsesGenerator(JobOf({"s, type: sft, sft: {steps: 1}"})));
  EXPECT_FALSE(
      UsesGenerator(JobOf({"s, type: sft, sft: {steps: 1, file: d}"})));
  EXPECT_FALSE(UsesGenerator(JobOf({"s, type: grpo, grpo: {steps: 1}"})));
}

TEST(SftKindTest, ItHasACorpusUnlessItHasAFile) {
  EXPECT_EQ(
      JobOf({"s, type: sft, sft: {steps: 1}"}).stages(0).sft().corpus().terse(),
      0.52);
  EXPECT_FALSE(JobOf({"s, type: sft, sft: {steps: 1, file: d}"})
                   .stages(0)
                   .sft()
                   .has_corpus());
}

TEST(SftKindTest, ItsPlanIsStepsWithoutGroups) {
  const StagePlan plan =
      MakePlan(JobOf({"s, type: sft, sft: {steps: 7}"})).stages[0];
  EXPECT_EQ(plan.name, "s");
  EXPECT_EQ(plan.kind, "sft");
  EXPECT_TRUE(plan.trains());
  EXPECT_FALSE(plan.samples());
  EXPECT_EQ(plan.steps, 7u);
  EXPECT_EQ(plan.groups, 0u);
  EXPECT_EQ(plan.units(), 7u);
  EXPECT_EQ(plan.traits.unit(), "steps");
}

TEST(SftKindTest, ADocumentFileThatIsNotThereIsNamed) {
  EXPECT_THAT(
      InputErrors(JobOf({"s, type: sft, sft: {steps: 1, file: /none.jsonl}"}),
                  {}),
      AllOf(HasSubstr("stages[0].sft.file: "), HasSubstr("/none.jsonl")));
}

TEST(GrpoKindTest, ItsPlanIsStepsOfGroupsForTheLearner) {
  const StagePlan plan =
      MakePlan(JobOf({"s, type: grpo, grpo: {steps: 7, prompts_per_step: 5, "
                      "num_generations: 3, lag: 1}"}))
          .stages[0];
  EXPECT_EQ(plan.kind, "grpo");
  EXPECT_TRUE(plan.trains());
  EXPECT_EQ(plan.traits.consumer, GroupConsumer::kLearner);
  EXPECT_EQ(plan.traits.prompts, PromptUse::kTrainingShuffled);
  EXPECT_EQ(plan.steps, 7u);
  EXPECT_EQ(plan.groups, 5u);
  EXPECT_EQ(plan.num_generations, 3u);
  EXPECT_EQ(plan.lag, 1u);
  EXPECT_EQ(plan.units(), 7u);
  EXPECT_EQ(plan.sampling.max_completion_length(), 64);
}

TEST(GrpoKindTest, RewardsWithoutAnyWeightTeachNothing) {
  EXPECT_THAT(
      ErrorOfStage("s, type: grpo, grpo: {steps: 1}", {"rewards[0].weight=0"}),
      HasSubstr("rewards: at least one weight must differ from 0"));
}

TEST(GrpoKindTest, AnErrorThatTwoStagesShareIsReportedOnce) {
  const std::string error =
      ErrorWith({"stages=[{name: a, type: grpo, grpo: {steps: 1}}, "
                 "{name: b, type: grpo, grpo: {steps: 1}}]",
                 "sampling.max_completion_length=128"});
  EXPECT_THAT(std::vector<std::string>(absl::StrSplit(error, '\n')),
              ElementsAre(HasSubstr("sampling.max_completion_length: with")));
}

TEST(GrpoKindTest, TheContextOfTheModelOfADirectoryIsRespected) {
  const v1::Job job = JobOf({"s, type: grpo, grpo: {steps: 1}"});
  EXPECT_EQ(InputErrors(job, {.context = 128, .context_rule = "the_key"}), "");
  EXPECT_EQ(InputErrors(job, {.context = 127, .context_rule = "the_key"}),
            "sampling.max_completion_length: with prompts.max_prompt_length "
            "must be at most the_key of the model in model.path (127), got 64 "
            "+ 64");
}

// The kinds whose groups are a result: eval and sample.
class ResultKindTest : public testing::TestWithParam<const char*> {
 protected:
  std::string kind() const { return GetParam(); }
  // "s, type: eval, eval: {...}"
  std::string Stage(const std::string& settings) const {
    return absl::StrCat("s, type: ", kind(), ", ", kind(), ": {", settings,
                        "}");
  }
};

TEST_P(ResultKindTest, ItsSamplingIsTheJobsWhereItDoesNotSayOtherwise) {
  const StagePlan plan =
      MakePlan(JobOf({Stage("sampling: {temperature: 0.5}")})).stages[0];
  EXPECT_EQ(plan.sampling.temperature(), 0.5);
  EXPECT_EQ(plan.sampling.max_completion_length(), 64);
  EXPECT_EQ(plan.sampling.top_p(), 1);
}

TEST_P(ResultKindTest, ItsPlanIsOneStepOfGroupsForTheCoordinator) {
  const StagePlan plan =
      MakePlan(JobOf({Stage("prompts: 9, num_generations: 3")})).stages[0];
  EXPECT_EQ(plan.kind, kind());
  EXPECT_FALSE(plan.trains());
  EXPECT_EQ(plan.traits.consumer, GroupConsumer::kCoordinator);
  EXPECT_EQ(plan.steps, 1u);
  EXPECT_EQ(plan.groups, 9u);
  EXPECT_EQ(plan.num_generations, 3u);
  EXPECT_EQ(plan.lag, 0u);
  EXPECT_EQ(plan.units(), 9u);
  EXPECT_EQ(plan.traits.unit(), "prompts");
}

TEST_P(ResultKindTest, TheNumberOfCompletionsIsBounded) {
  EXPECT_THAT(ErrorOfStage(Stage("prompts: 1048576, num_generations: 2")),
              HasSubstr(absl::StrCat("stages[0].", kind(),
                                     ".prompts: times num_generations must "
                                     "be at most 1048576, got 1048576 x 2")));
}

TEST_P(ResultKindTest, ItsSamplingIsCheckedAsTheJobsIs) {
  EXPECT_THAT(ErrorOfStage(Stage("sampling: {temperature: 1e-9}")),
              HasSubstr(absl::StrCat("stages[0].", kind(),
                                     ".sampling.temperature: must be 0 or")));
  EXPECT_THAT(ErrorOfStage(Stage("sampling: {max_completion_length: 128}")),
              HasSubstr(absl::StrCat("stages[0].", kind(),
                                     ".sampling.max_completion_length: with")));
}

TEST_P(ResultKindTest, AModelWithAShortContextIsRefused) {
  EXPECT_THAT(InputErrors(JobOf({Stage("")}), {.context = 100}),
              HasSubstr(absl::StrCat("stages[0].", kind(),
                                     ".sampling.max_completion_length: ")));
}

INSTANTIATE_TEST_SUITE_P(Kinds, ResultKindTest,
                         testing::Values("eval", "sample"));

TEST(EvalKindTest, ItWantsNoMorePromptsThanAreHeldOut) {
  const v1::Job job = JobOf({"s, type: eval, eval: {prompts: 9}"});
  EXPECT_EQ(InputErrors(job, {.training_prompts = 1, .held_out_prompts = 9}),
            "");
  EXPECT_EQ(InputErrors(job, {.held_out_prompts = 8}),
            "stages[0].eval.prompts: must be at most 8, the number of held-out "
            "prompts, got 9");
}

TEST(EvalKindTest, ItUsesHeldOutPromptsInOrder) {
  EXPECT_EQ(FindStageKind("eval")->traits().prompts,
            PromptUse::kHeldOutInOrder);
}

TEST(SampleKindTest, ItWantsNoMorePromptsThanThereAreForTraining) {
  const v1::Job job = JobOf({"s, type: sample, sample: {prompts: 9}"});
  EXPECT_EQ(InputErrors(job, {.training_prompts = 9, .held_out_prompts = 1}),
            "");
  EXPECT_EQ(InputErrors(job, {.training_prompts = 8}),
            "stages[0].sample.prompts: must be at most 8, the number of "
            "training prompts, got 9");
}

TEST(SampleKindTest, ItUsesTrainingPromptsInOrder) {
  EXPECT_EQ(FindStageKind("sample")->traits().prompts,
            PromptUse::kTrainingInOrder);
}

TEST(SampleKindTest, AJobMayConsistOfOneSampleStageWithoutSettings) {
  const v1::Job job = JobOf({"s, type: sample"});
  EXPECT_EQ(job.stages(0).sample().prompts(), 512);
  EXPECT_EQ(job.stages(0).sample().num_generations(), 4);
}

TEST(SampleKindTest, ItNeedsNoRewards) {
  EXPECT_EQ(ErrorOfStage("s, type: sample", {"rewards=[]"}), "ok");
}

TEST(SampleKindTest, OtherStagesOfTheJobStillNeedRewards) {
  EXPECT_THAT(ErrorWith({"stages=[{name: a, type: sample}, "
                         "{name: b, type: eval}]",
                         "rewards=[]"}),
              HasSubstr("rewards: is required for stages of type grpo and "
                        "eval, is empty"));
}

}  // namespace
}  // namespace aha
