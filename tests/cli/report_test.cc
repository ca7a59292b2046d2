#include "cli/report/report.h"

#include <algorithm>

#include "absl/strings/str_join.h"
#include "cli/term/text.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"

namespace aha::cli {
namespace {

using ::testing::AnyOf;
using ::testing::HasSubstr;
using ::testing::Not;

TEST(ReportTest, SaysWhatCameOutAndWhatToLookAtNext) {
  ReportInput input;
  run::Summary& summary = input.summary;
  summary.job = "quickstart";
  summary.state = run::JobState::kSucceeded;
  summary.seconds = 254;
  summary.checksum = "0123456789abcdef0123456789abcdef";
  summary.tokens_compared = 1234567;
  summary.rollout_tokens_per_second = 5321;
  summary.stages = {{.name = "pretrain", .type = "sft", .seconds = 48}};
  summary.before = run::EvalOutcome{"", 512, 0.215, 18.4};
  summary.after = run::EvalOutcome{"", 512, 0.912, 61.7};
  input.summary.peak_rss_bytes = uint64_t{3} << 29;
  input.run_dir = "runs/quickstart";
  input.last_checkpoint = "runs/quickstart/checkpoints/step-000120";
  input.last_rollout_step = 119;
  input.example_prompt = "What is 3 + 4?\n";
  EXPECT_EQ(
      absl::StrJoin(
          RenderReport(input, {.width = 90, .glyphs = Glyphs::kAscii}), "\n"),
      R"(job quickstart succeeded in 4m 14s

  pass@1        21.5 % -> 91.2 %   (512 held-out prompts)
  mean length   18.4 tokens -> 61.7 tokens
  stages        pretrain 48 s
  speed         sampled 5,321 tokens/s, peak memory 1.5 GiB
  exact         1,234,567 log-probabilities compared, actor against learner: 0 differ
  checksum      0123456789abcdef0123456789abcdef

look at next
  ahactl rollout show --dir runs/quickstart --step 0     # how it answered at first
  ahactl rollout show --dir runs/quickstart --step 119   # and in the end
  ahactl rollout list --dir runs/quickstart              # reward and length, step by step
  ahactl job describe --dir runs/quickstart              # stages, checkpoints, events
  aha-model generate runs/quickstart/checkpoints/step-000120/model --prompt $'What is 3 + 4?\n')");
}

// The lines of a report, one after another.
std::string Rendered(const ReportInput& input) {
  return absl::StrJoin(
      RenderReport(input, {.width = 90, .glyphs = Glyphs::kAscii}), "\n");
}

TEST(ReportTest, WithoutEvaluationsTheRewardsSayWhatChanged) {
  ReportInput input;
  input.rewards = std::vector<double>(20, 0.25);
  std::fill(input.rewards.end() - 8, input.rewards.end(), 0.75);
  EXPECT_THAT(Rendered(input),
              HasSubstr("reward        0.250 -> 0.750   (mean of the first and "
                        "the last 8 of 20 steps)"));
  input.summary.before = run::EvalOutcome{"", 512, 0.215, 18.4};
  input.summary.after = run::EvalOutcome{"", 512, 0.912, 61.7};
  EXPECT_THAT(Rendered(input), Not(HasSubstr("reward   ")));
}

TEST(ReportTest, ARunWithoutAnySignalSaysSoLoudly) {
  ReportInput input;
  input.rewards = {0, 0, 0};
  EXPECT_THAT(Rendered(input),
              Not(AnyOf(HasSubstr("signal"), HasSubstr("SIGNAL"))));
  input.steps_without_signal = 1;
  EXPECT_THAT(Rendered(input), HasSubstr("no signal     in 1 of 3 steps"));
  input.steps_without_signal = 3;
  EXPECT_THAT(Rendered(input),
              HasSubstr("NO SIGNAL     in no step did the rewards"));
}

TEST(ReportTest, ANarrowWindowIsKeptTo) {
  ReportInput input;
  input.summary.tokens_compared = 1234567;
  input.summary.rollout_tokens_per_second = 5321;
  input.summary.peak_rss_bytes = 1 << 30;
  input.run_dir = "runs/x";
  input.last_rollout_step = 119;
  for (const std::string& line :
       RenderReport(input, {.width = 50, .glyphs = Glyphs::kAscii})) {
    EXPECT_LE(DisplayWidth(line), 50) << line;
  }
}

}  // namespace
}  // namespace aha::cli
