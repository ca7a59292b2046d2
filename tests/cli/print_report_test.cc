// What is written to stdout: the report of a run, and values for programs.
#include <nlohmann/json.hpp>

#include "cli/report/report.h"
#include "cli/term/output.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "tests/cli/fake_feed.h"
#include "tests/temp_dir.h"

namespace aha::cli {
namespace {

using ::testing::AllOf;
using ::testing::EndsWith;
using ::testing::HasSubstr;
using ::testing::Not;

class PrintReportTest : public ::testing::Test {
 protected:
  PrintReportTest() {
    feed_.end = run::Summary{};
    feed_.end->job = "tiny";
    feed_.end->state = run::JobState::kSucceeded;
    feed_.end->checksum = "c0ffee";
  }
  std::string Printed(const PrintReportOptions& options) {
    ::testing::internal::CaptureStdout();
    PrintReport(feed_, options);
    std::fflush(stdout);
    return ::testing::internal::GetCapturedStdout();
  }

  FakeFeed feed_;
};

TEST_F(PrintReportTest, EndsWithTheChecksumForScripts) {
  EXPECT_THAT(
      Printed({.run_dir = "runs/tiny"}),
      AllOf(HasSubstr("job tiny succeeded"), EndsWith("\nchecksum c0ffee\n")));
}

TEST_F(PrintReportTest, TheChecksumIsPrintedOnce) {
  const std::string printed = Printed({.run_dir = "runs/tiny"});
  EXPECT_EQ(printed.find("c0ffee"), printed.rfind("c0ffee")) << printed;
}

TEST_F(PrintReportTest, StepsWithoutSignalAreCounted) {
  for (const double degenerate : {0.5, 1.0, 1.0}) {
    feed_.metrics.push_back(
        {.values = {{"reward", 0.5}, {"frac_reward_zero_std", degenerate}}});
  }
  feed_.metrics.push_back(
      {.values = {{"loss", 1}}});  // A step of an sft stage.
  EXPECT_THAT(Printed({.run_dir = "runs/tiny"}),
              HasSubstr("in 2 of 3 steps all rewards"));
}

TEST_F(PrintReportTest, TheExampleIsThePromptThatThePolicySaw) {
  const TempDir dir;
  run::Rollout rollout;
  rollout.prompt = "1+1?";
  rollout.rendered_prompt = "<|im_start|>user\n1+1?<|im_end|>\n";
  feed_.rollouts = {
      {"", 0,
       dir.Write("step-000000.jsonl", run::RolloutLine(rollout) + "\n")}};
  feed_.checkpoints = {"checkpoints/step-000001"};
  EXPECT_THAT(Printed({.run_dir = "r"}),
              HasSubstr("--prompt $'<|im_start|>user\\n1+1?<|im_end|>\\n'"));
}

TEST_F(PrintReportTest, QuietIsTheChecksumAlone) {
  EXPECT_EQ(Printed({.run_dir = "runs/tiny", .quiet = true}),
            "checksum c0ffee\n");
}

TEST_F(PrintReportTest, AsJsonItIsTheSummaryAlone) {
  const Json json = *ParseStoredJson(
      Printed({.run_dir = "runs/tiny", .output = Output::kJson}), "stdout");
  EXPECT_EQ(json["checksum"], "c0ffee");
  EXPECT_EQ(json["state"], "succeeded");
}

TEST_F(PrintReportTest, ShowsTheNewestCheckpointAndRolloutsWithAPrompt) {
  const TempDir dir;
  run::Rollout rollout;
  rollout.prompt = "What is 1 + 1?";
  const std::string path =
      dir.Write("step-000007.jsonl", run::RolloutLine(rollout) + "\n");
  feed_.checkpoints = {"checkpoints/step-000004", "checkpoints/step-000008"};
  feed_.rollouts = {{"", 0, path}, {"", 7, path}};
  EXPECT_THAT(
      Printed({.run_dir = "runs/tiny", .restarts = 2}),
      AllOf(HasSubstr("rollout show --dir runs/tiny --step 7"),
            HasSubstr("aha-model generate runs/tiny/checkpoints/step-000008/"
                      "model --prompt 'What is 1 + 1?'"),
            HasSubstr("restarts      2 "), Not(HasSubstr("step-000004"))));
}

TEST_F(PrintReportTest, APromptThatIsTooLongForACommandIsLeftOut) {
  const TempDir dir;
  run::Rollout rollout;
  rollout.prompt = std::string(401, 'x');
  feed_.rollouts = {
      {"zero", 0,
       dir.Write("zero-step-000000.jsonl", run::RolloutLine(rollout))}};
  feed_.checkpoints = {"checkpoints/step-000001"};
  EXPECT_THAT(
      Printed({.run_dir = "r"}),
      AllOf(HasSubstr("--stage zero --step 0"), HasSubstr("--prompt ...")));
}

TEST_F(PrintReportTest, WithoutASummaryThereIsNothingToReport) {
  feed_.end.reset();
  ::testing::internal::CaptureStderr();
  EXPECT_EQ(Printed({.run_dir = "runs/tiny"}), "");
  EXPECT_THAT(::testing::internal::GetCapturedStderr(),
              HasSubstr("no summary.json in runs/tiny can be read"));
}

std::string Streamed(const Json& value, Output output) {
  ::testing::internal::CaptureStdout();
  PrintStreamed(value, output);
  return ::testing::internal::GetCapturedStdout();
}

TEST(OutputTest, AStreamIsALineOrADocumentAValue) {
  const Json value = {{"a", 1}, {"b", {true, nullptr}}};
  EXPECT_EQ(Streamed(value, Output::kJson), "{\"a\":1,\"b\":[true,null]}\n");
  EXPECT_EQ(Streamed(value, Output::kYaml), "---\na: 1\nb: [true, ~]\n");
}

TEST(OutputTest, TheFormatIsATableUnlessItIsNamed) {
  EXPECT_EQ(ParseOutput("json"), Output::kJson);
  EXPECT_EQ(ParseOutput("yaml"), Output::kYaml);
  EXPECT_EQ(ParseOutput("table"), Output::kTable);
  EXPECT_EQ(ParseOutput("JSON"), Output::kTable);
}

}  // namespace
}  // namespace aha::cli
