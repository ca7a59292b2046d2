// The steps of the kinds of stages that train: their bits do not depend on the
// number of ranks, recorded log-probabilities are compared, and sft learns.
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "job/stages/stage_kind.h"
#include "learner/stages/stage_work.h"
#include "tests/learner/fixture.h"

namespace aha::learner {
namespace {

using ::testing::HasSubstr;

struct Outcome {
  std::optional<WholeState> state;
  std::vector<StepResult> steps;  // Results of rank 0.
};

// What a test may do to a group before it is trained on.
using Tamper = std::function<void(uint64_t step, v1::ScoredGroup&)>;

// Runs `steps` steps of a stage on that many ranks; groups are sampled with
// the version that the lag says.
Outcome RunStage(const v1::Job& job, uint32_t index, int ranks, uint64_t steps,
                 const Tamper& tamper = nullptr) {
  Outcome outcome;
  outcome.state.emplace(ParameterLayout(MakeSetup(job).config).count());
  OnRanks(ranks, [&](comm::Communicator& comm) {
    ThreadPool pool(1);
    const ModelSetup setup = MakeSetup(job);
    std::unique_ptr<ModelState> state =
        FreshState(job, setup, &pool, {comm.rank(), comm.size()});
    const JobPlan plan = MakePlan(job);
    auto work = OpenStageWork({.plan = plan, .stage = index, .setup = setup}, 0,
                              state.get());
    ASSERT_TRUE(work.ok()) << work.status();
    Hash128 chain;
    for (uint64_t step = 0; step < steps; ++step) {
      Backprop& sampler =
          state->previous() != nullptr ? *state->previous() : state->current();
      std::vector<v1::ScoredGroup> groups;
      if (plan.stages[index].samples()) {
        groups = MakeGroups(job, sampler, step, comm.rank(), comm.size());
      }
      if (tamper) {
        for (v1::ScoredGroup& group : groups) tamper(step, group);
      }
      auto result = (*work)->Step(step, Pointers(groups), chain, comm);
      ASSERT_TRUE(result.ok()) << result.status();
      chain = result->chain;
      if (comm.rank() == 0) outcome.steps.push_back(*result);
    }
    outcome.state->AddShard(*state);
  });
  return outcome;
}

// Stage, lag, dtype.
class RanksTest
    : public testing::TestWithParam<std::tuple<uint32_t, int, const char*>> {};

TEST_P(RanksTest, TwoAndThreeRanksMakeTheBitsOfOne) {
  v1::Job job = TinyJob();
  const auto [index, lag, dtype] = GetParam();
  job.mutable_model()->set_dtype(dtype);
  job.mutable_stages(kGrpoStage)->mutable_grpo()->set_lag(lag);
  const Outcome one = RunStage(job, index, 1, 3);
  for (const int ranks : {2, 3}) {
    const Outcome many = RunStage(job, index, ranks, 3);
    ASSERT_EQ(many.steps.size(), 3u);
    EXPECT_TRUE(SameBytes(*one.state, *many.state)) << ranks << " ranks";
    for (size_t i = 0; i < 3; ++i) {
      EXPECT_EQ(one.steps[i].chain, many.steps[i].chain);
      EXPECT_EQ(one.steps[i].metrics, many.steps[i].metrics);
      EXPECT_EQ(one.steps[i].rollouts, many.steps[i].rollouts);
    }
  }
  EXPECT_NE(one.steps[0].weights_checksum, one.steps[1].weights_checksum);
}

INSTANTIATE_TEST_SUITE_P(Stages, RanksTest,
                         testing::Values(std::tuple(kSftStage, 0, "fp32"),
                                         std::tuple(kSftStage, 0, "bf16"),
                                         std::tuple(kGrpoStage, 0, "fp32"),
                                         std::tuple(kGrpoStage, 1, "fp32"),
                                         std::tuple(kGrpoStage, 1, "bf16")));

TEST(StepTest, MoreRanksThanGroupsIsStillTheSame) {
  const v1::Job job = TinyJob();
  const Outcome one = RunStage(job, kGrpoStage, 1, 1);
  const Outcome six = RunStage(job, kGrpoStage, 6, 1);
  EXPECT_TRUE(SameBytes(*one.state, *six.state));
}

TEST(StepTest, AnotherRewardIsAnotherResult) {
  const v1::Job job = TinyJob();
  const Outcome honest = RunStage(job, kGrpoStage, 1, 1);
  const Outcome other =
      RunStage(job, kGrpoStage, 1, 1, [](uint64_t, v1::ScoredGroup& group) {
        auto& first = *group.mutable_trajectories(0);
        first.set_reward(first.reward() + 1);
      });
  EXPECT_FALSE(SameBytes(*honest.state, *other.state));
  EXPECT_NE(honest.steps[0].chain, other.steps[0].chain);
}

class LagTest : public testing::TestWithParam<int> {};

TEST_P(LagTest, EveryRecordedLogProbabilityIsComparedAndEqual) {
  v1::Job job = TinyJob();
  job.mutable_stages(kGrpoStage)->mutable_grpo()->set_lag(GetParam());
  const Outcome outcome = RunStage(job, kGrpoStage, 2, 3);
  for (const StepResult& step : outcome.steps) {
    EXPECT_GT(step.tokens_compared, 4u * 3u);
    EXPECT_EQ(step.tokens_differing, 0u) << step.first_difference;
    EXPECT_EQ(step.metrics.at("sampling/sampling_logp_difference/max"), 0);
    if (GetParam() == 0) {
      EXPECT_EQ(step.metrics.at("policy_ratio/max"), 1);
    }
  }
  if (GetParam() == 1) {
    EXPECT_EQ(outcome.steps[0].metrics.at("policy_ratio/max"), 1);
    EXPECT_NE(outcome.steps[2].metrics.at("policy_ratio/max"), 1);
  }
}

TEST_P(LagTest, OneFlippedBitOfALogProbabilityIsFoundAndNamed) {
  v1::Job job = TinyJob();
  job.mutable_stages(kGrpoStage)->mutable_grpo()->set_lag(GetParam());
  const Outcome outcome = RunStage(
      job, kGrpoStage, 1, 3, [](uint64_t step, v1::ScoredGroup& group) {
        if (step != 2 || group.context().key().slot() != 3) return;
        group.mutable_trajectories(1)
            ->mutable_trajectory()
            ->mutable_logprobs()
            ->front() ^= 1;
      });
  EXPECT_EQ(outcome.steps[1].tokens_differing, 0u);
  EXPECT_EQ(outcome.steps[2].tokens_differing, 1u);
  EXPECT_THAT(outcome.steps[2].first_difference,
              HasSubstr("step 2, slot 3, sample 1, token 0"));
}

INSTANTIATE_TEST_SUITE_P(Lags, LagTest, testing::Values(0, 1));

TEST(StepTest, TheMetricsHaveTrlsNames) {
  v1::Job job = TinyJob();
  job.mutable_stages(kGrpoStage)->mutable_grpo()->set_beta(0.01);
  const Outcome outcome = RunStage(job, kGrpoStage, 1, 2);
  const auto& metrics = outcome.steps[1].metrics;
  for (const char* name :
       {"reward", "reward_std", "rewards/accuracy/mean", "rewards/format/mean",
        "completions/mean_length", "completions/clipped_ratio",
        "frac_reward_zero_std", "kl", "entropy", "policy_loss", "grad_norm",
        "clip_ratio/region_mean", "learning_rate"}) {
    EXPECT_TRUE(metrics.contains(name)) << name;
  }
  EXPECT_GT(metrics.at("kl"), 0) << "one update away from the reference";
  EXPECT_EQ(outcome.steps[0].metrics.at("kl"), 0);
  EXPECT_GT(metrics.at("entropy"), 1);
  EXPECT_EQ(outcome.steps[1].slots, (std::vector<uint32_t>{0, 1, 2, 3}));
}

TEST(StepTest, AKlThatIsNotMeasuredIsAbsentAndNotZero) {
  const Outcome outcome = RunStage(TinyJob(), kGrpoStage, 1, 1);
  const auto& metrics = outcome.steps[0].metrics;
  EXPECT_TRUE(metrics.contains("entropy"));
  EXPECT_FALSE(metrics.contains("kl"));
}

TEST(StepTest, AStageThatTrainsNothingHasNoWork) {
  const v1::Job job = TinyJob();
  const ModelSetup setup = MakeSetup(job);
  ThreadPool pool(1);
  const auto state = FreshState(job, setup, &pool);
  const JobPlan plan = MakePlan(job);
  const auto work = OpenStageWork(
      {.plan = plan, .stage = kEvalStage, .setup = setup}, 0, state.get());
  EXPECT_TRUE(absl::IsInvalidArgument(work.status()));
  EXPECT_EQ(work.status().message(),
            "stages[1].type must be one of sft, grpo to be trained, is "
            "\"eval\"");
}

TEST(StepTest, EveryKindThatTrainsHasItsWork) {
  v1::Job job = TinyJob();
  const ModelSetup setup = MakeSetup(job);
  ThreadPool pool(1);
  const auto state = FreshState(job, setup, &pool);
  JobPlan plan = MakePlan(job);
  for (const StageKind* kind : StageKinds()) {
    plan.stages[kSftStage].kind = std::string(kind->name());
    EXPECT_EQ(OpenStageWork({.plan = plan, .stage = kSftStage, .setup = setup},
                            0, state.get())
                      .status()
                      .message()
                      .find("to be trained") == absl::string_view::npos,
              kind->traits().trains)
        << kind->name();
  }
}

TEST(StepTest, SupervisedLossGoesDown) {
  v1::Job job = TinyJob();
  job.mutable_stages(kSftStage)->mutable_sft()->set_steps(25);
  const Outcome outcome = RunStage(job, kSftStage, 1, 25);
  const double first = outcome.steps.front().metrics.at("loss");
  const double last = outcome.steps.back().metrics.at("loss");
  EXPECT_GT(first, 4) << "about ln(vocabulary) at random weights";
  EXPECT_LT(last, 0.6 * first);
}

}  // namespace
}  // namespace aha::learner
