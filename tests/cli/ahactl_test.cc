// What the commands of ahactl answer, and with which exit code.
#include <algorithm>
#include <filesystem>
#include <nlohmann/json.hpp>

#include "absl/strings/match.h"
#include "absl/strings/str_join.h"
#include "absl/strings/str_replace.h"
#include "absl/strings/str_split.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "tests/cli/ahactl_fixture.h"

namespace aha::cli {
namespace {

using ::testing::HasSubstr;

TEST_F(AhactlTest, BadJobsAndBadUsageAreExitCode2WithOneLine) {
  const std::string bad = services_.dir().Write(
      "bad.yaml", absl::StrReplaceAll(kJob, {{"steps: 4", "steps: 0"}}));
  for (const std::vector<std::string>& arguments :
       {std::vector<std::string>{"run", bad},
        {"run", "none.yaml"},
        {"run"},
        {"run", job_, "--actors", "0"},
        {"run", job_, "--set", "sede=3"},
        {"run", job_, "--bogus"},
        {"job", "bogus"},
        {"job", "list", "-o", "xml"},
        {"config", "validate", bad}}) {
    const Outcome outcome = Ahactl(arguments);
    EXPECT_EQ(outcome.code, 2) << absl::StrJoin(arguments, " ");
    EXPECT_EQ(std::count(outcome.err.begin(), outcome.err.end(), '\n'), 1)
        << outcome.err;
    EXPECT_EQ(outcome.out, "");
  }
  EXPECT_FALSE(std::filesystem::exists(services_.dir().path() + "/runs"));
}

TEST_F(AhactlTest, UnknownAndUnreachableJobsHaveTheirExitCodes) {
  EXPECT_EQ(Ahactl({"job", "get", "none"}).code, 4);
  EXPECT_EQ(Ahactl({"rollout", "show", "none"}).code, 4);
  EXPECT_EQ(Ahactl({"actor", "add", "--dir", "nowhere"}).code, 4);
  services_.dir().Write("runs/tiny/job.yaml", kJob);
  const Outcome listed = Ahactl({"job", "list"});
  EXPECT_EQ(listed.code, 0);
  EXPECT_THAT(listed.out, HasSubstr("interrupted"));
  EXPECT_EQ(Ahactl({"job", "pause", "tiny"}).code, 7);
  EXPECT_EQ(Ahactl({"job", "wait", "tiny"}).code, 7);
  EXPECT_EQ(Ahactl({"actor", "list", "--job", "tiny"}).code, 7);
  services_.dir().Write("runs/tiny/summary.json",
                        R"({"job": "tiny", "state": "failed",
                            "problem": "learner-0 waited 300 s"})");
  const Outcome failed = Ahactl({"job", "wait", "tiny"});
  EXPECT_EQ(failed.code, 8);
  EXPECT_THAT(failed.err, HasSubstr("learner-0 waited 300 s"));
  EXPECT_EQ(Ahactl({"job", "pause", "tiny"}).code, 5);
}

TEST_F(AhactlTest, EveryCommandHasItsOwnExamplesAndOutputFormats) {
  // The bash completion holds the whole command line: "|ahactl|...|".
  const std::string script = Ahactl({"completion", "bash"}).out;
  const size_t begin = script.find("known='") + 7;
  const std::string known =
      script.substr(begin, script.find('\'', begin) - begin);
  std::vector<std::string> commands;
  for (const absl::string_view split :
       absl::StrSplit(known, '|', absl::SkipEmpty())) {
    const std::string path(split);
    const bool has_children = absl::StrContains(known, "|" + path + " ");
    if (!has_children) commands.push_back(path);
  }
  EXPECT_GT(commands.size(), 20u);
  for (const std::string& command : commands) {
    std::vector<std::string> words = absl::StrSplit(command, ' ');
    words.erase(words.begin());
    words.emplace_back("--help");
    const Outcome help = Ahactl(words);
    EXPECT_EQ(help.code, 0) << command;
    EXPECT_THAT(help.out, HasSubstr("Examples:\n  "));
    EXPECT_THAT(help.out, HasSubstr("\n  " + command)) << "no own example";
    EXPECT_THAT(help.out, HasSubstr("--output"));
  }
}

TEST_F(AhactlTest, RewardTestExplainsEachVerdict) {
  services_.dir().Write(
      "rows.jsonl",
      R"({"completion": "\\boxed{(x+1)^2}", "answer": "x^2+2x+1"})"
      "\n"
      R"({"completion": "it is -5", "answer": 5, "finish_reason": "stop"})"
      "\n"
      R"({"completion": "it is 5", "answer": "5", "finish_reason": "length"})"
      "\n");
  const Outcome all =
      Ahactl({"reward", "test", "rows.jsonl", "--verifier", "math"});
  EXPECT_EQ(all.out,
            "rows.jsonl:1  1  score  last box: '(x+1)^2', same polynomial\n"
            "rows.jsonl:2  0  score  last number: '-5'  (answer: 5)\n"
            "rows.jsonl:3  0  unparsable  last number: '5' may have been cut"
            "  (answer: 5)\n"
            "3 rows, mean 0.3333: 2 score, 1 unparsable\n");
  const Outcome pattern =
      Ahactl({"reward", "test", "rows.jsonl", "--verifier", "regex", "--set",
              "pattern=^it is -?5$", "--summary"});
  EXPECT_EQ(pattern.out, "3 rows, mean 0.6667: 3 score\n");
  const Outcome unknown =
      Ahactl({"reward", "test", "rows.jsonl", "--verifier", "maths"});
  EXPECT_NE(unknown.code, 0);
  EXPECT_THAT(unknown.err, HasSubstr("math"));
  const Outcome key = Ahactl({"reward", "test", "rows.jsonl", "--verifier",
                              "math", "--answer", "truth"});
  EXPECT_THAT(key.err, HasSubstr("rows.jsonl:1: truth is missing; --answer "
                                 "names its key"));
  const Outcome setting = Ahactl({"reward", "test", "rows.jsonl", "--verifier",
                                  "math", "--set", "tolerance=much"});
  EXPECT_THAT(setting.err, HasSubstr("--set tolerance must be a number of at "
                                     "least 0, got 'much'"));
}

TEST_F(AhactlTest, JsonIsWhatPrintsJson) {
  const std::string samples = AHA_SOURCE_DIR "/tests/data/samples/mawps.jsonl";
  services_.dir().Write("runs/tiny/job.yaml", kJob);
  services_.dir().Write("runs/tiny/summary.json",
                        R"({"job": "tiny", "state": "succeeded"})");
  services_.dir().Write("runs/tiny/events.jsonl",
                        "{\"event\": \"a\"}\n{\"event\": \"b\"}\n");
  services_.dir().Write("runs/tiny/logs/actor-0.log", "one\ntwo\n");
  services_.dir().Write("answers.jsonl",
                        R"({"completion": "\\boxed{7}", "answer": 7})"
                        "\n");
  for (const std::vector<std::string>& words :
       {std::vector<std::string>{"version"},
        {"doctor"},
        {"completion", "fish"},
        {"config", "explain"},
        {"config", "reference"},
        {"config", "validate", job_},
        {"data", "inspect", samples},
        {"data", "convert", samples, "--to", "out.jsonl"},
        {"reward", "test", "answers.jsonl", "--verifier", "math"},
        {"job", "list"},
        {"job", "get", "tiny"},
        {"job", "describe", "tiny"},
        {"job", "watch", "tiny"},
        {"job", "wait", "tiny"},
        {"job", "logs", "tiny"},
        {"job", "events", "tiny"},
        {"run", "--resume", "--dir", "runs/tiny"}}) {
    std::vector<std::string> json = words;
    json.insert(json.end(), {"-o", "json"});
    const Outcome outcome = Ahactl(json);
    EXPECT_TRUE(Json::accept(outcome.out)) << absl::StrJoin(words, " ") << "\n"
                                           << outcome.out;
    std::vector<std::string> yaml = words;
    yaml.insert(yaml.end(), {"-o", "yaml"});
    EXPECT_EQ(Ahactl(yaml).code, outcome.code) << absl::StrJoin(words, " ");
  }
  const Outcome last =
      Ahactl({"job", "events", "tiny", "-n", "1", "-o", "json"});
  EXPECT_EQ(Json::parse(last.out, nullptr, false),
            Json::parse(R"([{"event": "b"}])"));
}

TEST_F(AhactlTest, AJobThatWasStoppedDidNotWork) {
  services_.dir().Write("runs/tiny/job.yaml", kJob);
  services_.dir().Write("runs/tiny/summary.json",
                        R"({"job": "tiny", "state": "stopped"})");
  const Outcome waited = Ahactl({"job", "wait", "tiny"});
  EXPECT_EQ(waited.code, 130);
  EXPECT_THAT(waited.err, HasSubstr("ahactl run --resume --dir runs/tiny"));
  EXPECT_EQ(Ahactl({"job", "stop", "tiny"}).code, 3);
}

TEST_F(AhactlTest, HelpIsAlsoACommandAndTheFormatMayComeFirst) {
  EXPECT_EQ(Ahactl({"help"}).out, Ahactl({"--help"}).out);
  const Outcome help = Ahactl({"help", "job", "list"});
  EXPECT_EQ(help.code, 0);
  EXPECT_EQ(help.out, Ahactl({"job", "list", "--help"}).out);
  const Outcome wrong = Ahactl({"help", "job", "lst"});
  EXPECT_EQ(wrong.code, 2);
  EXPECT_THAT(wrong.err, HasSubstr("unknown command \"lst\""));
  EXPECT_EQ(Ahactl({"-o", "json", "version"}).out,
            Ahactl({"version", "-o", "json"}).out);
  EXPECT_EQ(Ahactl({"--output=yaml", "version"}).out,
            Ahactl({"version", "-o", "yaml"}).out);
  EXPECT_EQ(Ahactl({"-o"}).code, 2);
}

TEST_F(AhactlTest, AMisspeltOptionIsNamedWithTheNearestAndItsCommandsHelp) {
  EXPECT_EQ(Ahactl({"run", job_, "--dri", "x"}).err,
            "ahactl: unknown option \"--dri\"; did you mean \"--dir\"?; see "
            "`ahactl run --help`\n");
  EXPECT_EQ(Ahactl({"run", job_, "more"}).err,
            "ahactl: unexpected argument \"more\"; see `ahactl run --help`\n");
  EXPECT_EQ(Ahactl({"job", "wiat"}).err,
            "ahactl: unknown command \"wiat\"; did you mean \"wait\"?; see "
            "`ahactl job --help`\n");
  EXPECT_EQ(Ahactl({"job", "wait", "--timeout", "soon"}).err,
            "ahactl: --timeout: must be a number of seconds above 0, at most "
            "1e9, got 'soon'; see `ahactl job wait --help`\n");
  EXPECT_THAT(Ahactl({"run", job_, "--actors", "two"}).err,
              HasSubstr("--actors: must be a whole number from 1 to 1024, got "
                        "'two'"));
}

TEST_F(AhactlTest, ValidateLooksAtTheFilesUnlessTheyAreElsewhere) {
  const std::string job = services_.dir().Write(
      "files.yaml",
      absl::StrReplaceAll(kJob, {{"generated: {}", "file: nowhere.jsonl"}}));
  const Outcome refused = Ahactl({"config", "validate", job});
  EXPECT_EQ(refused.code, 2);
  EXPECT_THAT(refused.err, HasSubstr("prompts.file: "));
  EXPECT_THAT(refused.err, HasSubstr("nowhere.jsonl"));
  const Outcome skipped = Ahactl({"config", "validate", job, "--skip-files"});
  EXPECT_EQ(skipped.code, 0) << skipped.err;
  EXPECT_THAT(skipped.out, HasSubstr("were not looked at"));
}

TEST_F(AhactlTest, AGroupIsShownAndABrokenLineDoesNotMatter) {
  services_.dir().Write("runs/tiny/job.yaml", kJob);
  services_.dir().Write(
      "runs/tiny/rollouts/step-000003.jsonl",
      R"({"step":3,"slot":0,"sample":0,"prompt":"1+1?","completion":"2","reward":1})"
      "\n{\"step\n");
  const Outcome shown = Ahactl({"rollout", "show", "tiny"});
  EXPECT_EQ(shown.code, 0);
  EXPECT_THAT(shown.out, HasSubstr("> 1+1?"));
  EXPECT_THAT(shown.err, HasSubstr("1 broken line left out"));
  const Outcome raw = Ahactl({"rollout", "show", "tiny", "-o", "json"});
  EXPECT_EQ(Json::parse(raw.out, nullptr, false).size(), 1u);
  EXPECT_EQ(Ahactl({"rollout", "show", "tiny", "--step", "9"}).code, 4);
  EXPECT_EQ(Ahactl({"rollout", "show", "tiny", "--slot", "9"}).code, 4);
}

}  // namespace
}  // namespace aha::cli
