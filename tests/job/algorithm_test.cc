// What a preset sets in a job file.
#include "job/algorithm.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <string>
#include <vector>

#include "aha/v1/options.pb.h"
#include "job/file/explain.h"
#include "job/options.h"
#include "job/reward_program.h"
#include "rewards/verifier.h"
#include "tests/job/minimal_job.h"

namespace aha {
namespace {

using ::testing::ElementsAreArray;
using ::testing::HasSubstr;

v1::Grpo GrpoWith(std::vector<std::string> keys) {
  for (std::string& key : keys) key = "stages[1].grpo." + key;
  const auto job = ParseJob(kMinimalJob, "job.yaml", keys);
  EXPECT_TRUE(job.ok()) << job.status();
  return job.ok() ? job->stages(1).grpo() : v1::Grpo();
}

std::vector<std::string> Allowed(const google::protobuf::Descriptor& message,
                                 const std::string& field) {
  const auto& names =
      message.FindFieldByName(field)->options().GetExtension(v1::rule).one_of();
  return {names.begin(), names.end()};
}

TEST(PresetTest, TheSchemaAllowsExactlyTheTablesNames) {
  std::vector<std::string> algorithms;
  for (const Algorithm& algorithm : Algorithms()) {
    algorithms.emplace_back(algorithm.name);
  }
  EXPECT_THAT(Allowed(*v1::Grpo::descriptor(), "algorithm"),
              ElementsAreArray(algorithms));
  std::vector<std::string> verifiers;
  for (const rewards::VerifierSpec& spec : rewards::Verifiers()) {
    verifiers.emplace_back(spec.name);
  }
  verifiers.insert(verifiers.end(), {kCommandReward, kPythonReward});
  EXPECT_THAT(Allowed(*v1::RewardComponent::descriptor(), "type"),
              ElementsAreArray(verifiers));
}

TEST(PresetTest, EveryNameThatTheSchemaAllowsIsKnownToRl) {
  const auto& grpo = *v1::Grpo::descriptor();
  for (const std::string& name : Allowed(grpo, "loss_type")) {
    EXPECT_TRUE(ParseLossType(name).ok()) << name;
  }
  for (const std::string& name : Allowed(grpo, "scale_rewards")) {
    EXPECT_TRUE(ParseScaleRewards(name).ok()) << name;
  }
  for (const std::string& name : Allowed(grpo, "importance_sampling_level")) {
    EXPECT_TRUE(ParseImportanceLevel(name).ok()) << name;
  }
  for (const std::string& name : Allowed(grpo, "advantage_estimator")) {
    EXPECT_TRUE(ParseAdvantageEstimator(name).ok()) << name;
  }
}

// Shows everything but the keys of the stage itself.
std::string Settings(v1::Grpo grpo) {
  grpo.clear_steps();
  grpo.clear_prompts_per_step();
  grpo.clear_num_generations();
  grpo.clear_lag();
  grpo.clear_optimizer();
  return grpo.ShortDebugString();
}

TEST(PresetTest, GrpoIsWhatAFileWithoutAnAlgorithmGets) {
  EXPECT_EQ(Settings(GrpoWith({})), Settings(GrpoWith({"algorithm=grpo"})));
  EXPECT_EQ(Settings(GrpoWith({})),
            "loss_type: \"grpo\" scale_rewards: \"group\" epsilon: 0.2 beta: 0 "
            "mask_truncated_completions: false importance_sampling_level: "
            "\"token\" algorithm: \"grpo\" advantage_estimator: "
            "\"group_mean\"");
}

TEST(PresetTest, EachSetsWhatItsPaperSays) {
  const v1::Grpo dapo = GrpoWith({"algorithm=dapo"});
  EXPECT_EQ(dapo.loss_type(), "dapo");
  EXPECT_EQ(dapo.epsilon(), .2);
  EXPECT_EQ(dapo.epsilon_high(), .28);
  EXPECT_EQ(dapo.beta(), 0);
  EXPECT_TRUE(dapo.mask_truncated_completions());
  const v1::Grpo dr_grpo = GrpoWith({"algorithm=dr_grpo"});
  EXPECT_EQ(dr_grpo.loss_type(), "dr_grpo");
  EXPECT_EQ(dr_grpo.scale_rewards(), "none");
  EXPECT_EQ(dr_grpo.advantage_estimator(), "group_mean");
  const v1::Grpo rloo = GrpoWith({"algorithm=rloo"});
  EXPECT_EQ(rloo.loss_type(), "dr_grpo");
  EXPECT_EQ(rloo.scale_rewards(), "none");
  EXPECT_EQ(rloo.advantage_estimator(), "leave_one_out");
  const v1::Grpo gspo = GrpoWith({"algorithm=gspo"});
  EXPECT_EQ(gspo.loss_type(), "grpo");
  EXPECT_EQ(gspo.importance_sampling_level(), "sequence");
  EXPECT_EQ(gspo.epsilon(), 3e-4);
  EXPECT_EQ(gspo.epsilon_high(), 4e-4);
  const v1::Grpo cispo = GrpoWith({"algorithm=cispo"});
  EXPECT_EQ(cispo.loss_type(), "cispo");
  EXPECT_EQ(cispo.epsilon(), 1);
  EXPECT_EQ(cispo.epsilon_high(), 4);
}

TEST(PresetTest, AGivenKeyWins) {
  const v1::Grpo grpo = GrpoWith({"algorithm=dapo", "epsilon_high=0.3",
                                  "mask_truncated_completions=false"});
  EXPECT_EQ(grpo.epsilon_high(), .3);
  EXPECT_FALSE(grpo.mask_truncated_completions());
  EXPECT_EQ(grpo.loss_type(), "dapo");
}

TEST(PresetTest, ResolvingAgainChangesNothing) {
  for (const Algorithm& algorithm : Algorithms()) {
    const auto job =
        ParseJob(kMinimalJob, "job.yaml",
                 {absl::StrCat("stages[1].grpo.algorithm=", algorithm.name)});
    ASSERT_TRUE(job.ok()) << job.status();
    EXPECT_EQ(ResolveJob(*job)->ShortDebugString(), job->ShortDebugString());
    EXPECT_EQ(ParseJob(JobToYaml(*job), "job.yaml")->ShortDebugString(),
              job->ShortDebugString());
  }
}

TEST(PresetTest, TheOptionsOfAPresetAreTheTables) {
  for (const Algorithm& algorithm : Algorithms()) {
    const auto job =
        ParseJob(kMinimalJob, "job.yaml",
                 {absl::StrCat("stages[1].grpo.algorithm=", algorithm.name)});
    ASSERT_TRUE(job.ok()) << job.status();
    const v1::Grpo& grpo = job->stages(1).grpo();
    const LossOptions loss = *LossOptionsOf(*job, grpo);
    EXPECT_EQ(loss.loss_type, algorithm.loss.loss_type) << algorithm.name;
    EXPECT_EQ(loss.importance, algorithm.loss.importance) << algorithm.name;
    EXPECT_EQ(loss.epsilon, algorithm.loss.epsilon) << algorithm.name;
    EXPECT_EQ(loss.epsilon_high, algorithm.loss.epsilon_high) << algorithm.name;
    EXPECT_EQ(loss.delta, algorithm.loss.delta) << algorithm.name;
    EXPECT_EQ(loss.beta, algorithm.loss.beta) << algorithm.name;
    EXPECT_EQ(loss.mask_truncated, algorithm.loss.mask_truncated);
    const AdvantageOptions advantage = *AdvantageOptionsOf(grpo);
    EXPECT_EQ(advantage.estimator, algorithm.advantage.estimator);
    EXPECT_EQ(advantage.scale, algorithm.advantage.scale);
  }
}

TEST(PresetTest, WhatALossDoesNotKnowIsAConfigError) {
  EXPECT_THAT(ErrorWith({"stages[1].grpo.algorithm=cispo",
                         "stages[1].grpo.importance_sampling_level=sequence"}),
              HasSubstr("stages[1].grpo: importance_sampling_level must be "
                        "token for loss_type cispo, got sequence"));
  EXPECT_THAT(
      ErrorWith({"stages[1].grpo.algorithm=cispo", "stages[1].grpo.delta=9"}),
      HasSubstr("delta must be absent for loss_type cispo, got 9"));
  EXPECT_THAT(ErrorWith({"stages[1].grpo.algorithm=ppo"}),
              HasSubstr("must be one of grpo, dapo, dr_grpo, rloo, gspo, "
                        "cispo; got 'ppo'"));
}

TEST(PresetTest, ExplainShowsWhatEachPresetSets) {
  const std::string one = *Explain("grpo.epsilon_high");
  EXPECT_THAT(one, HasSubstr("Set by algorithm: dapo 0.28, gspo 4e-04, cispo "
                             "4."));
  const std::string all = *Explain("grpo.algorithm");
  EXPECT_THAT(all, HasSubstr("From\n    Dr. GRPO, arXiv 2503.20783."));
  EXPECT_THAT(all, HasSubstr("dynamic sampling"));
  EXPECT_EQ(ExplainKeys("grpo.steps")->front().presets.size(), 0u);
  EXPECT_EQ(ExplainKeys("grpo.algorithm")->front().presets.size(),
            Algorithms().size());
}

TEST(RewardSettingsTest, AreOnlyForTheVerifiersThatReadThem) {
  for (const char* type : {"numeric", "math"}) {
    EXPECT_EQ(ErrorWith({absl::StrCat("rewards[0].type=", type),
                         "rewards[0].tolerance=0.1",
                         "rewards[0].relative_tolerance=0.01"}),
              "ok");
  }
  EXPECT_EQ(ErrorWith({"rewards[0].type=length", "rewards[0].max_length=100",
                       "rewards[0].cache_length=20"}),
            "ok");
  EXPECT_THAT(ErrorWith({"rewards[0].tolerance=0.1"}),
              HasSubstr("rewards[0].tolerance: must be absent for a reward of "
                        "type accuracy, got 0.1"));
  EXPECT_THAT(ErrorWith({"rewards[0].relative_tolerance=0.1"}),
              HasSubstr("rewards[0].relative_tolerance: must be absent"));
  EXPECT_THAT(ErrorWith({"rewards[0].pattern=a"}),
              HasSubstr("rewards[0].pattern: must be absent for a reward of "
                        "type accuracy, got 'a'"));
  EXPECT_THAT(ErrorWith({"rewards[0].ngram_size=4"}),
              HasSubstr("rewards[0].ngram_size: must be absent"));
}

TEST(RewardSettingsTest, ThatAVerifierRefusesAreErrors) {
  EXPECT_THAT(ErrorWith({"rewards[0].type=regex"}),
              HasSubstr("rewards[0]: pattern is required"));
  EXPECT_THAT(ErrorWith({"rewards[0].type=regex", "rewards[0].pattern=(a"}),
              HasSubstr("rewards[0]: pattern must be a regular expression "
                        "(RE2), got '(a': missing )"));
  EXPECT_THAT(ErrorWith({"rewards[0].type=script"}),
              HasSubstr("rewards[0]: script must be latin"));
  EXPECT_THAT(ErrorWith({"rewards[0].type=length", "rewards[0].max_length=9",
                         "rewards[0].cache_length=10"}),
              HasSubstr("rewards[0]: cache_length must be at most max_length "
                        "(9), got 10"));
}

}  // namespace
}  // namespace aha
