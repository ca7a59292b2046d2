// That a file is written and read from one description: what is written comes
// back, and what is not understood does no harm.
#include <cmath>
#include <limits>
#include <nlohmann/json.hpp>

#include "base/json.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "run/events.h"
#include "run/metrics.h"
#include "run/processes.h"
#include "run/rollouts.h"
#include "run/summary.h"

namespace aha::run {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::Pair;
using ::testing::UnorderedElementsAre;

Json Parsed(const std::string& text) { return *ParseStoredJson(text, "test"); }

Summary FullSummary() {
  Summary summary;
  summary.job = "tiny";
  summary.state = JobState::kFailed;
  summary.seconds = 12.5;
  summary.steps = (uint64_t{1} << 60) + 1;  // No double has this value.
  summary.checksum = "ab";
  summary.weights_checksum = "cd";
  summary.stages = {{.name = "zero",
                     .type = "grpo",
                     .seconds = 11,
                     .steps_done = 20,
                     .steps_total = 30,
                     .done = true}};
  summary.data = {{.key = "prompts.eval_file",
                   .use = "held_out",
                   .rows = 12,
                   .prompts = 10,
                   .skipped = {{"answer", 1}, {"malformed", 1}},
                   .also_in_training = 3}};
  summary.before = EvalOutcome{"before", 500, 0.25, 20.5};
  summary.tokens_compared = 1000;
  summary.tokens_differing = 1;
  summary.rollout_tokens_per_second = 5321;
  summary.train_tokens_per_second = 1234;
  summary.peak_rss_bytes = 123456;
  summary.problem = "the \"disk\" is\nfull";
  return summary;
}

TEST(FieldsTest, ASummaryComesBackAsItWasWritten) {
  const Summary written = FullSummary();
  const Summary read = *ParseSummary(SummaryText(written), "summary.json");
  EXPECT_EQ(read.state, JobState::kFailed);
  EXPECT_EQ(read.steps, written.steps);
  EXPECT_EQ(read.stages.at(0).steps_total, 30u);
  EXPECT_EQ(read.before->prompts, 500u);
  EXPECT_FALSE(read.after.has_value());
  EXPECT_EQ(read.problem, written.problem);
  // Everything else too: a member that is written but not read would differ.
  EXPECT_EQ(SummaryText(read), SummaryText(written));
}

TEST(FieldsTest, ASummaryHasTheDocumentedKeys) {
  Summary summary = FullSummary();
  summary.after = summary.before;
  const Json json = ToJson(summary);
  std::vector<std::string> keys;
  for (const auto& [key, value] : json.items()) keys.push_back(key);
  EXPECT_THAT(keys, UnorderedElementsAre(
                        "job", "state", "seconds", "steps", "checksum",
                        "weights_checksum", "stages", "data", "eval", "exact",
                        "rollout_tokens_per_second", "train_tokens_per_second",
                        "peak_rss_bytes", "problem"));
  EXPECT_EQ(json["state"], "failed");
  EXPECT_EQ(json["eval"]["after"]["pass_at_1"], 0.25);
  EXPECT_EQ(json["exact"]["tokens_differing"], 1);
}

TEST(FieldsTest, WhatIsNotKnownIsLeftOutOfASummary) {
  const Json json = ToJson(Summary{});
  EXPECT_FALSE(json.contains("problem"));
  EXPECT_EQ(json["eval"], Json::object());
}

TEST(FieldsTest, MistypedAndUnknownMembersKeepTheDefaults) {
  const Summary summary = *ParseSummary(
      R"({"job": 7, "state": [], "steps": -1, "seconds": "x",
          "stages": [3, {"name": "zero", "steps_done": 1e300}],
          "eval": {"before": 5, "after": {"prompts": 2.0}},
          "exact": null, "peak_rss_bytes": 4096.0, "new": {"a": 1}})",
      "summary.json");
  EXPECT_EQ(summary.job, "");
  EXPECT_EQ(summary.state, JobState::kUnknown);
  EXPECT_EQ(summary.steps, 0u);
  EXPECT_EQ(summary.stages.size(), 2u);
  EXPECT_EQ(summary.stages[1].name, "zero");
  EXPECT_EQ(summary.stages[1].steps_done, 0u);
  EXPECT_FALSE(summary.before.has_value());
  EXPECT_EQ(summary.after->prompts, 2u);
  EXPECT_EQ(summary.peak_rss_bytes, 4096u);
}

TEST(FieldsTest, AMetricsLineComesBackWithItsMetrics) {
  const std::string line = MetricsLine(
      {.step = 3,
       .stage = "zero",
       .job_step = 103,
       .time = 1.5,
       .policy_version = 4,
       .weights_checksum = "ab",
       .values = {{"reward", 0.1}, {"kl", std::nan("")}, {"step_time", 2}}});
  EXPECT_EQ(
      line,
      R"({"step":3,"stage":"zero","job_step":103,"time":1.5,)"
      R"("policy_version":4,"weights_checksum":"ab","kl":null,"reward":0.1,)"
      R"("step_time":2.0})");
  const StepMetrics read = ParseMetricsLine(line);
  EXPECT_EQ(read.step, 3u);
  EXPECT_EQ(read.stage, "zero");
  EXPECT_THAT(read.values,
              UnorderedElementsAre(Pair("reward", 0.1), Pair("step_time", 2)));
  EXPECT_EQ(read.Numbers().at("policy_version"), 4);
}

TEST(FieldsTest, ADamagedMetricsLineHasNoMetrics) {
  EXPECT_TRUE(ParseMetricsLine("{\"step\":3,\"rew").values.empty());
  EXPECT_TRUE(ParseMetricsLine("[1]").values.empty());
}

TEST(FieldsTest, ACurveIsThatOfOneMetricAndOneStage) {
  const auto step = [](const char* stage, double reward) {
    StepMetrics metrics;
    metrics.stage = stage;
    metrics.values["reward"] = reward;
    return metrics;
  };
  StepMetrics without;
  without.stage = "b";
  EXPECT_THAT(CurveOf({step("a", 1), step("b", 2), without, step("b", 3)}, "b",
                      "reward"),
              ElementsAre(2, 3));
}

TEST(FieldsTest, ARolloutComesBackWithTheSameBits) {
  Rollout written;
  written.step = 3;
  written.slot = 2;
  written.sample = 1;
  written.prompt = "What is 1 + 1?";
  written.completion = "\x01 2 \xC3\xA9";
  written.token_ids = {0, 17, std::numeric_limits<int32_t>::max()};
  written.logprobs = {-0.1f, -3.0f, std::nextafter(-1.0f, 0.0f)};
  written.finish_reason = "stop";
  written.reward = 1.0 / 3;
  written.rewards = {{"format", 1}, {"accuracy", 0}};
  written.advantage = 0.1f;
  const std::string line = RolloutLine(written);
  const Rollout read = ParseRollout(Parsed(line));
  EXPECT_EQ(read.logprobs, written.logprobs);
  EXPECT_EQ(read.token_ids, written.token_ids);
  EXPECT_EQ(read.reward, written.reward);
  EXPECT_EQ(read.rewards, written.rewards);  // In the same order.
  EXPECT_EQ(read.advantage, 0.1f);
  EXPECT_EQ(RolloutLine(read), line);
  // A float has the digits of a float.
  EXPECT_THAT(line, HasSubstr("\"logprobs\":[-0.1,-3.0,-0.99999994]"));
}

TEST(FieldsTest, TextThatIsNotUtf8IsReplaced) {
  Rollout rollout;
  rollout.completion = "a\xFFz";
  EXPECT_EQ(ParseRollout(Parsed(RolloutLine(rollout))).completion,
            "a\xEF\xBF\xBDz");
}

TEST(FieldsTest, AnEventNamesItsProcessIfItHasOne) {
  EXPECT_EQ(EventLine({.time = 1.5, .event = "joined", .text = "actor-0"}),
            R"({"time":1.5,"event":"joined","text":"actor-0"})");
  const Event read = ParseEvent(Parsed(EventLine({.time = 2,
                                                  .event = "process died",
                                                  .process = "actor-0",
                                                  .text = "x"})));
  EXPECT_EQ(read.time, 2);
  EXPECT_EQ(read.process, "actor-0");
}

TEST(FieldsTest, ProcessesComeBack) {
  const std::vector<ProcessEntry> written = {{"supervisor", "supervisor", 7},
                                             {"actor-0", "actor", 8}};
  EXPECT_EQ(*ParseProcesses(ProcessesText(written), "processes.json"), written);
  EXPECT_TRUE(ParseProcesses(ProcessesText({}), "processes.json")->empty());
  EXPECT_EQ(ParseProcesses("{}", "processes.json").status().message(),
            "processes.json must be a JSON list, is object");
}

TEST(FieldsTest, AnEndpointComesBackAndNeedsAnAddress) {
  const Endpoint read =
      *ParseEndpoint(EndpointText({.address = "h:1",
                                   .epoch = 3,
                                   .pid = 42,
                                   .host = "elsewhere.example",
                                   .metrics_address = "h:2"}),
                     "endpoint.json");
  EXPECT_EQ(read.address, "h:1");
  EXPECT_EQ(read.epoch, 3u);
  EXPECT_EQ(read.pid, 42);
  EXPECT_EQ(read.metrics_address, "h:2");
  EXPECT_FALSE(read.OnThisHost());
  EXPECT_EQ(ParseEndpoint("{\"pid\": 1}", "endpoint.json").status().message(),
            "endpoint.json: address is missing");
}

TEST(FieldsTest, TheVerdictsOfARolloutComeBackAndAreLeftOutIfThereAreNone) {
  Rollout rollout;
  EXPECT_FALSE(ToJson(rollout).contains("verdicts"));
  rollout.verdicts = {{"accuracy", {.outcome = "score", .evidence = "read 7"}},
                      {"format", {.outcome = "unparsable", .evidence = ""}}};
  const Rollout read = ParseRollout(ToJson(rollout));
  ASSERT_EQ(read.verdicts.size(), 2u);
  EXPECT_EQ(read.verdicts[0].first, "accuracy");
  EXPECT_EQ(read.verdicts[0].second.evidence, "read 7");
  EXPECT_EQ(read.verdicts[1].second.outcome, "unparsable");
}

}  // namespace
}  // namespace aha::run
