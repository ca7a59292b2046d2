#include "cli/report/progress.h"

#include "absl/strings/str_join.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"

namespace aha::cli {
namespace {

using ::testing::Each;
using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;
using ::testing::Le;
using ::testing::Not;
using ::testing::ResultOf;

StageView Stage(const std::string& name, const std::string& type, uint64_t done,
                uint64_t total) {
  StageView stage;
  stage.name = name;
  stage.type = type;
  stage.steps_done = done;
  stage.steps_total = total;
  return stage;
}

JobView SampleJob() {
  JobView job;
  job.name = "quickstart";
  job.state = JobState::kRunning;
  job.seconds = 151;
  job.run_directory = "runs/quickstart";
  StageView pretrain = Stage("pretrain", "sft", 600, 600);
  pretrain.done = true;
  pretrain.seconds = 48.2;
  pretrain.metrics = {{"loss", 1.234}};
  StageView before = Stage("before", "eval", 512, 512);
  before.done = true;
  before.seconds = 6.1;
  before.metrics = {{"pass_at_1", 0.215}, {"mean_completion_length", 18.4}};
  StageView grpo = Stage("r1-zero", "grpo", 30, 120);
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

Progress ObservedProgress() {
  Progress progress;
  JobView job = SampleJob();
  for (uint64_t step = 26; step <= 30; ++step) {
    job.stages[2].steps_done = step;
    job.stages[2].metrics["reward"] =
        0.1 * static_cast<double>(step - 26) + 0.112;
    progress.Observe(absl::UnixEpoch() + absl::Seconds(2 * step), job);
  }
  return progress;
}

TEST(ProgressTest, TheBlockAtWidth80) {
  const Progress progress = ObservedProgress();
  const std::vector<std::string> lines = progress.RenderBlock(
      absl::UnixEpoch() + absl::Seconds(70),
      {.width = 80, .color = false, .glyphs = Glyphs::kUnicode});
  EXPECT_EQ(
      absl::StrJoin(lines, "\n"),
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

TEST(ProgressTest, NoLineIsWiderThanTheTerminal) {
  const Progress progress = ObservedProgress();
  for (int width : {40, 60, 80, 132, 200}) {
    const std::vector<std::string> lines =
        progress.RenderBlock(absl::UnixEpoch() + absl::Seconds(60),
                             {.width = width, .color = false});
    EXPECT_THAT(lines, Each(ResultOf(DisplayWidth, Le(width)))) << width;
  }
}

TEST(ProgressTest, ColorsAreOnlyAddedWhenAskedFor) {
  const Progress progress = ObservedProgress();
  const absl::Time now = absl::UnixEpoch() + absl::Seconds(60);
  const auto text = [&](bool color) {
    return absl::StrJoin(
        progress.RenderBlock(
            now, {.width = 80, .color = color, .glyphs = Glyphs::kAscii}),
        "\n");
  };
  EXPECT_THAT(text(false), Not(HasSubstr("\x1b")));
  EXPECT_THAT(text(true), HasSubstr("\x1b[32mrunning\x1b[0m"));
}

TEST(ProgressTest, ADifferingTokenIsShoutedAbout) {
  JobView job = SampleJob();
  job.tokens_differing = 1;
  Progress progress;
  progress.Observe(absl::UnixEpoch(), job);
  EXPECT_THAT(absl::StrJoin(progress.RenderBlock(absl::UnixEpoch(), {}), "\n"),
              HasSubstr("NOT EXACT (1 of 123,456 tokens differ)"));
}

TEST(ProgressTest, WaitsAreShownOnlyWhenNothingMoves) {
  Progress progress;
  const absl::Time start = absl::UnixEpoch();
  progress.Observe(start, SampleJob());
  const auto text = [&](int second) {
    return absl::StrJoin(
        progress.RenderBlock(start + absl::Seconds(second), {}), "\n");
  };
  EXPECT_THAT(text(1), Not(HasSubstr("waits")));
  EXPECT_THAT(text(11), HasSubstr("waits: learner-0 waits for 3 groups"));
  progress.RenderLines(start + absl::Seconds(1), absl::Hours(1));
  EXPECT_THAT(
      progress.RenderLines(start + absl::Seconds(11), absl::Hours(1)),
      ElementsAre(HasSubstr("nothing moves for 11 s: learner-0 waits for 3")));
  EXPECT_THAT(progress.RenderLines(start + absl::Seconds(20), absl::Hours(1)),
              IsEmpty());
}

TEST(ProgressTest, AWaitIsNoNewsBeforeTwiceTheLongestStepUntilThen) {
  Progress progress;
  const absl::Time start = absl::UnixEpoch();
  JobView job = SampleJob();
  progress.Observe(start, job);
  job.stages[2].steps_done += 1;
  progress.Observe(start + absl::Seconds(30), job);
  const auto text = [&](int second) {
    return absl::StrJoin(
        progress.RenderBlock(start + absl::Seconds(second), {}), "\n");
  };
  EXPECT_THAT(text(89), Not(HasSubstr("waits")));
  EXPECT_THAT(text(90), HasSubstr("waits"));
}

TEST(ProgressTest, ACurveGoesOnWhereAnEarlierAttemptEnded) {
  Progress progress;
  progress.Seed({"r1-zero", {0.1, 0.9}, {5, 5}});
  JobView job = SampleJob();
  progress.Observe(absl::UnixEpoch(), job);
  job.stages[2].steps_done += 1;
  progress.Observe(absl::UnixEpoch(), job);
  const Style style{.width = 80, .color = false, .glyphs = Glyphs::kAscii};
  EXPECT_THAT(
      absl::StrJoin(progress.RenderBlock(absl::UnixEpoch(), style), "\n"),
      HasSubstr("reward      0.512           _#~"));
}

TEST(ProgressTest, BeforeTheFirstLookItSaysSo) {
  EXPECT_THAT(Progress().RenderBlock(absl::UnixEpoch(), {}),
              ElementsAre("aha  starting"));
}

TEST(ProgressTest, PlainLinesComeForStagesStatesAndThenAtIntervals) {
  Progress progress;
  JobView job = SampleJob();
  job.waits.clear();
  const absl::Duration interval = absl::Seconds(10);
  const auto look = [&](int second, uint64_t step) {
    job.stages[2].steps_done = step;
    const absl::Time now = absl::UnixEpoch() + absl::Seconds(second);
    progress.Observe(now, job);
    return progress.RenderLines(now, interval);
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
  job.stages[2].done = true;
  job.stages[2].running = false;
  job.state = JobState::kSucceeded;
  EXPECT_THAT(look(23, 120),
              ElementsAre(HasSubstr("r1-zero steps 120/120"),
                          HasSubstr("job quickstart: succeeded")));
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

TEST(EtaTest, AnotherStageOrARestartBeginsAnew) {
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
