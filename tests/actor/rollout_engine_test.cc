#include "actor/rollout_engine.h"

#include <algorithm>
#include <thread>

#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "tests/actor/fake_sampler.h"

namespace aha::actor {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::SizeIs;

WeightBuffer Buffer(const std::string& text) {
  WeightBuffer buffer = *WeightBuffer::New(text.size());
  std::copy(text.begin(), text.end(), buffer.data());
  return buffer;
}

class RolloutEngineTest : public ::testing::Test {
 protected:
  static WeightsId Version(uint64_t version) { return {0, version}; }

  void Submit(uint64_t id, uint64_t step, uint32_t slot, uint64_t version,
              int samples = 2) {
    EngineGroup group;
    group.id = {0, step, slot};
    group.policy = Version(version);
    group.request.id = id;
    group.request.key = {.seed = 1, .stage = 0, .step = step, .slot = slot};
    group.request.prompt = {1};
    group.request.num_samples = samples;
    engine_.Submit(std::move(group));
  }
  void Bring(uint64_t version) {
    exchange_.Put(Version(version), Buffer("v" + std::to_string(version)));
    engine_.Wake();
  }
  // Takes turns until there is nothing to do.
  void Work() {
    for (;;) {
      const absl::StatusOr<RolloutEngine::Did> did = engine_.Turn();
      ASSERT_TRUE(did.ok()) << did.status();
      if (*did == RolloutEngine::Did::kNothing) return;
    }
  }

  absl::Time now_ = absl::UnixEpoch();
  FakeSampler sampler_;
  WeightExchange exchange_;
  std::vector<Sample> samples_;
  std::vector<uint64_t> swaps_;
  std::vector<std::string> refusals_;
  RolloutEngine engine_{
      &sampler_,
      &exchange_,
      [this] { return now_; },
      {.sampled = [this](Sample s) { samples_.push_back(std::move(s)); },
       .refused =
           [this](const EngineGroup& group, const absl::Status& why) {
             refusals_.push_back(group.id.ToString() +
                                 std::string(why.message()));
           },
       .swapped = [this](const WeightsId& id,
                         absl::Duration) { swaps_.push_back(id.version); }}};
};

TEST_F(RolloutEngineTest, WaitsForTheWeightsThenSamplesEveryGroup) {
  Submit(1, 0, 0, 0);
  Work();
  EXPECT_TRUE(samples_.empty());
  EXPECT_EQ(exchange_.WaitForWanted(absl::ZeroDuration()), Version(0));
  Bring(0);
  Work();
  EXPECT_THAT(samples_, SizeIs(2));
  EXPECT_EQ(engine_.load(), 0);
}

TEST_F(RolloutEngineTest, SamplesOneVersionAtATimeInTheOrderOfSteps) {
  Submit(1, 1, 0, 1);
  Submit(2, 0, 1, 0);
  Submit(3, 0, 0, 0);
  Work();  // It asks for both versions.
  Bring(1);
  Bring(0);
  Work();
  EXPECT_THAT(swaps_, ElementsAre(0, 1));
  EXPECT_THAT(sampler_.submitted, ElementsAre(0, 1, 100));
}

TEST_F(RolloutEngineTest, TheNextVersionIsWantedWhileTheLoadedOneSamples) {
  Submit(1, 0, 0, 0);
  Work();
  Bring(0);
  ASSERT_TRUE(engine_.Turn().ok());  // This turn swaps the weights.
  ASSERT_TRUE(engine_.Turn().ok());  // This turn samples the first token.
  ASSERT_FALSE(sampler_.idle());
  Submit(2, 1, 0, 1);
  Submit(3, 2, 0, 2);
  ASSERT_TRUE(engine_.Turn().ok());
  EXPECT_TRUE(exchange_.Wanted(Version(1)));
  EXPECT_FALSE(exchange_.Wanted(Version(2)));  // At most one version ahead.
}

TEST_F(RolloutEngineTest, OldWeightsAreUnloadedWhileItWaitsForTheNext) {
  Submit(1, 0, 0, 0);
  Work();
  EXPECT_EQ(sampler_.unloads, 0);
  Bring(0);
  Work();
  EXPECT_EQ(sampler_.unloads, 0);  // More groups of this version may come.
  Submit(2, 1, 0, 1);
  Work();
  EXPECT_EQ(sampler_.unloads, 1);
  Submit(3, 0, 1, 0);  // The version is needed once more and is fetched again.
  Work();
  EXPECT_EQ(sampler_.unloads, 1);
  EXPECT_TRUE(exchange_.Wanted(Version(0)));
  Bring(0);
  Work();
  Bring(1);
  Work();
  EXPECT_THAT(swaps_, ElementsAre(0, 0, 1));
  EXPECT_THAT(sampler_.submitted, ElementsAre(0, 1, 100));
}

TEST_F(RolloutEngineTest, AnOlderStepStopsTheAdmissionOfNewerOnes) {
  Submit(1, 1, 0, 1);
  Work();
  Bring(1);
  ASSERT_TRUE(engine_.Turn().ok());
  ASSERT_TRUE(engine_.Turn().ok());
  ASSERT_FALSE(sampler_.idle());
  Submit(2, 0, 0, 0);  // A lost group comes back.
  Submit(3, 1, 1, 1);
  Work();
  EXPECT_THAT(sampler_.submitted, ElementsAre(100));
  Bring(0);
  Work();
  Bring(1);
  Work();
  EXPECT_THAT(sampler_.submitted, ElementsAre(100, 0, 101));
}

TEST_F(RolloutEngineTest, ACancelledGroupMakesNoMoreSamples) {
  Submit(1, 0, 0, 0);
  Submit(2, 0, 1, 0);
  Work();
  engine_.Cancel(1);
  Bring(0);
  ASSERT_TRUE(engine_.Turn().ok());
  ASSERT_TRUE(engine_.Turn().ok());
  Submit(3, 0, 2, 0);
  ASSERT_TRUE(engine_.Turn().ok());
  engine_.Cancel(3);
  Work();
  ASSERT_THAT(samples_, SizeIs(2));
  EXPECT_EQ(samples_[0].group, 2u);
  EXPECT_EQ(samples_[1].group, 2u);
  EXPECT_EQ(engine_.load(), 0);
}

TEST_F(RolloutEngineTest, AfterAResetTheSameVersionIsFetchedAgain) {
  Submit(1, 0, 0, 0);
  Work();
  Bring(0);
  ASSERT_TRUE(engine_.Turn().ok());
  ASSERT_TRUE(engine_.Turn().ok());
  engine_.Reset();
  Submit(2, 0, 0, 0);
  Work();
  EXPECT_TRUE(samples_.empty());
  EXPECT_TRUE(exchange_.Wanted(Version(0)));
  Bring(0);
  Work();
  EXPECT_THAT(swaps_, ElementsAre(0, 0));
  ASSERT_THAT(samples_, SizeIs(2));
  EXPECT_EQ(samples_[0].group, 2u);
}

TEST_F(RolloutEngineTest, SamplesDoNotDependOnTheOtherGroups) {
  Submit(1, 0, 0, 0);
  Work();
  Bring(0);
  Work();
  const std::vector<Sample> alone = samples_;
  samples_.clear();
  for (uint32_t slot = 0; slot < 5; ++slot) Submit(10 + slot, 0, slot, 0);
  Work();
  const auto again = std::find_if(
      samples_.begin(), samples_.end(),
      [](const Sample& s) { return s.group == 10 && s.index == 0; });
  ASSERT_NE(again, samples_.end());
  EXPECT_EQ(again->tokens, alone[0].tokens);
}

TEST_F(RolloutEngineTest, ARefusedGroupIsNamedAndTheOthersContinue) {
  sampler_.submit_error = absl::InvalidArgumentError("prompt too long");
  Submit(1, 0, 3, 0);
  Work();
  Bring(0);
  Work();
  ASSERT_THAT(refusals_, SizeIs(1));
  EXPECT_THAT(refusals_[0], HasSubstr("slot 3"));
  sampler_.submit_error = absl::OkStatus();
  Submit(2, 0, 4, 0);
  Work();
  EXPECT_THAT(samples_, SizeIs(2));
}

TEST_F(RolloutEngineTest, AnErrorOfTheSamplerEndsRun) {
  sampler_.step_error = absl::InternalError("logit is not finite");
  Submit(1, 0, 0, 0);
  Work();
  Bring(0);
  EXPECT_TRUE(absl::IsInternal(engine_.Run()));
}

TEST_F(RolloutEngineTest, StopEndsAWaitingRunAndNamesWhatItWaitedFor) {
  Submit(1, 0, 0, 0);
  std::thread runner([this] { EXPECT_TRUE(engine_.Run().ok()); });
  // The engine asks for the weights before it waits.
  while (!exchange_.WaitForWanted(absl::Minutes(1)).has_value()) {
  }
  engine_.Stop();
  runner.join();
}

}  // namespace
}  // namespace aha::actor
