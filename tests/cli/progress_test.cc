#include "cli/report/progress.h"

#include "absl/strings/str_join.h"
#include "cli/term/text.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "tests/cli/fake_feed.h"

namespace aha::cli {
namespace {

using ::testing::Each;
using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;
using ::testing::IsSupersetOf;
using ::testing::Le;
using ::testing::Not;
using ::testing::ResultOf;

run::StageView Stage(const std::string& name, const std::string& type,
                     uint64_t done, uint64_t total) {
  run::StageView stage;
  stage.name = name;
  stage.type = type;
  stage.steps_done = done;
  stage.steps_total = total;
  return stage;
}

run::JobView SampleJob() {
  run::JobView job;
  job.name = "quickstart";
  job.state = run::JobState::kRunning;
  job.seconds = 151;
  job.run_directory = "runs/quickstart";
  run::StageView pretrain = Stage("pretrain", "sft", 600, 600);
  pretrain.done = true;
  pretrain.seconds = 48.2;
  pretrain.metrics = {{"loss", 1.234}};
  run::StageView before = Stage("before", "eval", 512, 512);
  before.done = true;
  before.seconds = 6.1;
  before.metrics = {{"pass_at_1", 0.215}, {"mean_completion_length", 18.4}};
  run::StageView grpo = Stage("r1-zero", "grpo", 30, 120);
  grpo.running = true;
  grpo.metrics = {{"reward", 0.512},
                  {"rewards/accuracy/mean", 0.483},
                  {"completions/mean_length", 61.25}};
  job.stages = {pretrain, before, grpo, Stage("after", "eval", 0, 512)};
  job.current_stage = 2;
  job.tokens_compared = 123456;
  job.rollout_tokens_per_second = 5321;
  job.waits = {"learner-0 waits for 3 groups of step 30 (actor-0, 12 s)"};
  return job;
}

absl::Time At(double second) {
  return absl::UnixEpoch() + absl::Seconds(second);
}

class ProgressTest : public ::testing::Test {
 protected:
  ProgressTest() { feed_.job = SampleJob(); }
  run::JobView& job() { return *feed_.job; }
  void Look(double second) { ASSERT_TRUE(progress_.Look(At(second)).ok()); }
  // Looks at steps 26 to 30, two seconds each.
  void LookAtFiveSteps() {
    for (uint64_t step = 26; step <= 30; ++step) {
      job().stages[2].steps_done = step;
      job().stages[2].metrics["reward"] =
          0.1 * static_cast<double>(step - 26) + 0.112;
      Look(2 * static_cast<double>(step));
    }
  }
  std::string Block(double second, const Style& style = {}) const {
    return absl::StrJoin(progress_.RenderBlock(At(second), style), "\n");
  }

  FakeFeed feed_;
  Progress progress_{&feed_};
};

TEST_F(ProgressTest, TheBlockAtWidth80) {
  LookAtFiveSteps();
  EXPECT_EQ(
      Block(70, {.width = 80, .color = false, .glyphs = Glyphs::kUnicode}),
      R"(aha  quickstart  running  2m 41s                                 runs/quickstart

  ✓ pretrain  sft   600 steps       loss 1.234                              48 s
  ✓ before    eval  512 prompts     pass@1 21.5 %   length 18.4            6.1 s
  ▶ r1-zero   grpo  30/120          ██████░░░░░░░░░░░░░░░░░░  25 %  ETA 2m 58s
  · after     eval

  reward      0.512           ▁▃▅▇█
  length      61.2 tokens     ▁▁▁▁▁
  pass@1 48.3 %   5,321 tokens/s   exact (0 of 123,456 tokens differ)
  waits: learner-0 waits for 3 groups of step 30 (actor-0, 12 s))");
}

TEST_F(ProgressTest, NoLineIsWiderThanTheTerminal) {
  LookAtFiveSteps();
  for (int width : {40, 60, 80, 132, 200}) {
    EXPECT_THAT(progress_.RenderBlock(At(60), {.width = width, .color = false}),
                Each(ResultOf(DisplayWidth, Le(width))))
        << width;
  }
}

TEST_F(ProgressTest, NoLineOfAHostileOrWideJobIsWiderThanTheTerminal) {
  std::string wide = "\x1b[2J";
  for (int i = 0; i < 40; ++i) wide += "漢字";
  job().name = wide;
  job().run_directory = wide;
  job().waits = {wide};
  job().rollout_tokens_per_second = 1e300;
  job().seconds = 1e300;
  for (run::StageView& stage : job().stages) stage.name += wide;
  LookAtFiveSteps();
  for (const int width : {40, 60, 80, 132}) {
    const auto lines =
        progress_.RenderBlock(At(100), {.width = width, .color = false});
    EXPECT_THAT(lines, Each(ResultOf(DisplayWidth, Le(width)))) << width;
    EXPECT_THAT(lines, Each(Not(HasSubstr("\x1b"))));
  }
}

TEST_F(ProgressTest, ColorsAreOnlyAddedWhenAskedFor) {
  LookAtFiveSteps();
  Style style{.width = 80, .color = false, .glyphs = Glyphs::kAscii};
  EXPECT_THAT(Block(60, style), Not(HasSubstr("\x1b")));
  style.color = true;
  EXPECT_THAT(Block(60, style), HasSubstr("\x1b[32mrunning\x1b[0m"));
}

TEST_F(ProgressTest, ADifferingTokenIsShownInCapitals) {
  job().tokens_differing = 1;
  Look(0);
  EXPECT_THAT(Block(0), HasSubstr("NOT EXACT (1 of 123,456 tokens differ)"));
}

TEST_F(ProgressTest, WaitsAreShownOnlyWhenNothingMoves) {
  Look(0);
  EXPECT_THAT(Block(1), Not(HasSubstr("waits")));
  EXPECT_THAT(Block(11), HasSubstr("waits: learner-0 waits for 3 groups"));
  progress_.RenderLines(At(1), absl::Hours(1));
  EXPECT_THAT(
      progress_.RenderLines(At(11), absl::Hours(1)),
      ElementsAre(HasSubstr("nothing moves for 11 s: learner-0 waits for 3")));
  EXPECT_THAT(progress_.RenderLines(At(20), absl::Hours(1)), IsEmpty());
}

TEST_F(ProgressTest, AWaitIsShownAfterTwiceTheLongestStepSoFar) {
  Look(0);
  job().stages[2].steps_done += 1;
  Look(30);
  EXPECT_THAT(Block(89), Not(HasSubstr("waits")));
  EXPECT_THAT(Block(90), HasSubstr("waits"));
}

TEST_F(ProgressTest, APauseIsNotTakenForALongStep) {
  Look(0);
  job().state = run::JobState::kPaused;
  Look(1);
  job().state = run::JobState::kRunning;
  Look(1000);
  EXPECT_THAT(Block(1009), Not(HasSubstr("waits")));
  EXPECT_THAT(Block(1010), HasSubstr("waits"));
}

TEST_F(ProgressTest, ACurveBeginsWithTheStepsThatTheFeedHolds) {
  for (const double reward : {0.1, 0.9}) {
    run::StepMetrics step;
    step.stage = "r1-zero";
    step.values = {{"reward", reward}, {"completions/mean_length", 5}};
    feed_.metrics.push_back(step);
  }
  feed_.metrics.push_back({.stage = "another", .values = {{"reward", 7}}});
  Look(0);
  job().stages[2].steps_done += 1;
  Look(0);
  const Style style{.width = 80, .color = false, .glyphs = Glyphs::kAscii};
  EXPECT_THAT(Block(0, style), HasSubstr("reward      0.512           _#~"));
}

TEST_F(ProgressTest, BeforeTheFirstLookItSaysThatItStarts) {
  EXPECT_EQ(Block(0), "aha  starting");
}

TEST_F(ProgressTest, AFeedThatFailsChangesNothing) {
  Look(0);
  const std::string before = Block(1);
  feed_.job = absl::UnavailableError("lost");
  EXPECT_TRUE(absl::IsUnavailable(progress_.Look(At(1))));
  EXPECT_EQ(Block(1), before);
  EXPECT_EQ(progress_.job().name, "quickstart");
}

TEST_F(ProgressTest, TheTimeOfARunningJobAdvancesBetweenLooks) {
  Look(0);
  EXPECT_THAT(Block(10), HasSubstr("2m 41s"));
  job().state = run::JobState::kStopped;
  Look(10);
  EXPECT_THAT(Block(100), HasSubstr("2m 31s"));
}

TEST_F(ProgressTest, PlainLinesComeForStagesStatesAndThenAtIntervals) {
  job().waits.clear();
  const auto look = [&](int second, uint64_t step) {
    job().stages[2].steps_done = step;
    Look(second);
    return progress_.RenderLines(At(second), absl::Seconds(10));
  };
  EXPECT_THAT(
      look(0, 30),
      ElementsAre(
          "[ 2m 31s] job quickstart: running",
          "[ 2m 31s] pretrain steps 600/600  loss 1.234  done in 48 s",
          "[ 2m 31s] before prompts 512/512  pass@1 21.5 %   length 18.4  done "
          "in 6.1 s",
          "[ 2m 31s] r1-zero steps 30/120  reward 0.512  pass@1 48.3 %   "
          "length 61.2"));
  EXPECT_THAT(look(5, 31), IsEmpty());
  EXPECT_THAT(look(11, 31), ElementsAre(HasSubstr("r1-zero steps 31/120")));
  EXPECT_THAT(look(22, 31), IsEmpty());
  job().stages[2].done = true;
  job().stages[2].running = false;
  job().state = run::JobState::kSucceeded;
  EXPECT_THAT(look(23, 120),
              ElementsAre(HasSubstr("r1-zero steps 120/120"),
                          HasSubstr("job quickstart: succeeded")));
}

// A metric says nothing of the unit: `sample` has no accuracy, and `grpo` might
// be evaluated in between.
TEST_F(ProgressTest, AStageCountsInTheUnitOfItsKind) {
  job().waits.clear();
  run::StageView answers = Stage("answers", "sample", 64, 64);
  answers.done = true;
  run::StageView grpo = Stage("grpo", "grpo", 5, 5);
  grpo.done = true;
  grpo.metrics = {{"pass_at_1", 0.5}};
  // A metrics.jsonl without a summary does not tell the kind.
  run::StageView unknown = Stage("unknown", "", 7, 0);
  unknown.done = true;
  job().stages = {answers, grpo, unknown};
  job().current_stage = 2;
  Look(0);
  const std::string block = Block(0);
  EXPECT_THAT(block, HasSubstr("answers  sample  64 prompts"));
  EXPECT_THAT(block, HasSubstr("5 steps"));
  EXPECT_THAT(block, HasSubstr("7 steps"));
  EXPECT_THAT(progress_.RenderLines(At(0), absl::Seconds(10)),
              IsSupersetOf({HasSubstr("answers prompts 64/64"),
                            HasSubstr("grpo steps 5/5"),
                            HasSubstr("unknown steps 7/0")}));
}

TEST(EtaTest, FollowsTheSpeedOfTheLatestSteps) {
  EtaEstimator eta;
  const absl::Time start = absl::UnixEpoch();
  eta.Observe(start, "grpo", 0, 10);
  EXPECT_FALSE(eta.Remaining(start).has_value());
  eta.Observe(start + absl::Seconds(2), "grpo", 1, 10);
  EXPECT_EQ(eta.Remaining(start + absl::Seconds(2)), absl::Seconds(18));
  EXPECT_EQ(eta.Remaining(start + absl::Seconds(3)), absl::Seconds(17));
  // A step that takes long does not bring the end nearer.
  EXPECT_EQ(eta.Remaining(start + absl::Seconds(60)), absl::Seconds(16));
}

TEST(EtaTest, AnotherStageOrARestartStartsTheEstimateAgain) {
  EtaEstimator eta;
  const absl::Time start = absl::UnixEpoch();
  eta.Observe(start, "sft", 0, 10);
  eta.Observe(start + absl::Seconds(1), "sft", 5, 10);
  eta.Observe(start + absl::Seconds(2), "grpo", 0, 10);
  EXPECT_FALSE(eta.Remaining(start + absl::Seconds(2)).has_value());
  eta.Observe(start + absl::Seconds(3), "grpo", 4, 10);
  eta.Observe(start + absl::Seconds(4), "grpo", 1, 10);  // From a checkpoint.
  EXPECT_FALSE(eta.Remaining(start + absl::Seconds(4)).has_value());
}

TEST(EtaTest, AFinishedStageHasNone) {
  EtaEstimator eta;
  eta.Observe(absl::UnixEpoch(), "grpo", 0, 2);
  eta.Observe(absl::UnixEpoch() + absl::Seconds(1), "grpo", 2, 2);
  EXPECT_FALSE(eta.Remaining(absl::UnixEpoch()).has_value());
}

}  // namespace
}  // namespace aha::cli
