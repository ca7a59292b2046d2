#include "cli/report/describe.h"

#include <unistd.h>

#include <nlohmann/json.hpp>

#include "absl/strings/str_join.h"
#include "cli/term/text.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "tests/cli/fake_feed.h"

namespace aha::cli {
namespace {

using ::testing::Each;
using ::testing::HasSubstr;
using ::testing::Le;
using ::testing::Not;
using ::testing::ResultOf;

FakeFeed RunningFeed() {
  FakeFeed feed;
  run::JobView job;
  job.name = "tiny";
  job.state = run::JobState::kRunning;
  job.seconds = 61;
  job.run_directory = "runs/tiny";
  job.checksum = "c0ffee";
  job.tokens_compared = 1000;
  job.waits = {"learner-0 waits for 3 groups"};
  run::StageView stage;
  stage.name = "zero";
  stage.type = "grpo";
  stage.steps_done = 3;
  stage.steps_total = 10;
  stage.running = true;
  stage.metrics = {{"reward", 0.5}, {"rewards/accuracy/mean", 0.25}};
  job.stages = {stage};
  feed.job = job;
  run::MemberView actor;
  actor.name = "actor-0";
  actor.role = "actor";
  actor.leases = 2;
  actor.tokens_per_second = 812.4;
  feed.members = {actor};
  feed.processes = {{"supervisor", "supervisor", ::getpid()},
                    {"actor-0", "actor", 0}};
  feed.checkpoints = {"checkpoints/step-000002"};
  for (const char* event : {"1", "2", "3", "4", "5", "6"}) {
    feed.events.push_back({.event = "happened", .text = event});
  }
  return feed;
}

std::string Text(run::JobFeed& feed) {
  return absl::StrJoin(*DescribeText(feed, {.width = 200}), "\n");
}

TEST(DescribeTest, ShowsEverythingThatTheFeedGives) {
  FakeFeed feed = RunningFeed();
  const std::string text = Text(feed);
  for (const char* part :
       {"Name              tiny", "State             running",
        "Checksum          c0ffee", "0 of 1,000 tokens differ",
        "Waits             learner-0 waits for 3 groups", "  zero   grpo  3/10",
        "actor-0  actor  alive", "812", "  supervisor  supervisor  ",
        "runs/tiny/checkpoints/step-000002"}) {
    EXPECT_THAT(text, HasSubstr(part));
  }
}

TEST(DescribeTest, OnlyTheLastFiveEventsAreShown) {
  FakeFeed feed = RunningFeed();
  EXPECT_THAT(Text(feed), Not(HasSubstr("happened  1")));
  EXPECT_THAT(Text(feed), HasSubstr("happened  2"));
}

TEST(DescribeTest, AProcessThatIsGoneIsNotAlive) {
  FakeFeed feed = RunningFeed();
  const std::string text = Text(feed);
  EXPECT_THAT(text.substr(text.find("Processes")), HasSubstr("yes\n"));
  EXPECT_THAT(text.substr(text.find("Processes")), HasSubstr("no\n"));
}

TEST(DescribeTest, AJobThatHasEndedHasNoMembers) {
  FakeFeed feed = RunningFeed();
  feed.job->state = run::JobState::kSucceeded;
  EXPECT_THAT(Text(feed), Not(HasSubstr("Members")));
  EXPECT_TRUE((*DescribeJson(feed))["members"].empty());
}

TEST(DescribeTest, TheEndOfAJobHasItsEvalsAndMemory) {
  FakeFeed feed = RunningFeed();
  feed.end = run::Summary{};
  feed.end->before = run::EvalOutcome{"before", 512, 0.215, 18.4};
  feed.end->peak_rss_bytes = uint64_t{3} << 29;
  const std::string text = Text(feed);
  EXPECT_THAT(
      text,
      HasSubstr("Before            21.5 % pass@1, 18.4 tokens, 512 prompts"));
  EXPECT_THAT(text, HasSubstr("Peak memory       1.5 GiB"));
  EXPECT_EQ((*DescribeJson(feed))["summary"]["eval"]["before"]["prompts"], 512);
}

TEST(DescribeTest, NoLineIsWiderThanTheTerminal) {
  FakeFeed feed = RunningFeed();
  feed.job->problem = std::string(500, 'x');
  EXPECT_THAT(*DescribeText(feed, {.width = 70}),
              Each(ResultOf(DisplayWidth, Le(70))));
}

// Nothing of the job is wider than the window, in whatever script its names
// are.
TEST(DescribeTest, WideNamesFitANarrowTerminal) {
  FakeFeed feed = RunningFeed();
  std::string wide;
  for (int i = 0; i < 40; ++i) wide += "漢字";
  feed.job->name = wide;
  feed.job->run_directory = wide;
  feed.job->waits = {wide};
  feed.job->stages[0].name = wide;
  feed.members[0].waiting_for = wide;
  feed.events.back().text = wide;
  for (const int width : {60, 61, 80}) {
    EXPECT_THAT(*DescribeText(feed, {.width = width}),
                Each(ResultOf(DisplayWidth, Le(width))))
        << width;
  }
}

TEST(DescribeTest, NoTextOfAJobReachesTheTerminalAsAnEscape) {
  FakeFeed feed = RunningFeed();
  feed.job->problem = "\x1b[2J";
  feed.events.back().text = "\x1b]0;x\x07";
  feed.members[0].waiting_for = "\x1b[1m";
  EXPECT_THAT(Text(feed), Not(HasSubstr("\x1b")));
}

TEST(DescribeTest, TheJobOfABrokenFeedIsItsError) {
  FakeFeed feed;
  feed.job = absl::UnavailableError("no coordinator");
  EXPECT_TRUE(absl::IsUnavailable(DescribeText(feed, {}).status()));
  EXPECT_TRUE(absl::IsUnavailable(DescribeJson(feed).status()));
}

TEST(DescribeTest, JsonHasTheSameAsTheText) {
  FakeFeed feed = RunningFeed();
  const Json json = *DescribeJson(feed);
  EXPECT_EQ(json["name"], "tiny");
  EXPECT_EQ(json["stages"][0]["metrics"]["reward"], 0.5);
  EXPECT_EQ(json["members"][0]["leases"], 2);
  EXPECT_EQ(json["processes"][1]["name"], "actor-0");
  EXPECT_EQ(json["checkpoints"][0], "runs/tiny/checkpoints/step-000002");
  EXPECT_FALSE(json.contains("summary"));
}

TEST(JobTableTest, ARowAJobWithItsStageAndAccuracy) {
  FakeFeed feed = RunningFeed();
  run::JobView empty;
  empty.name = "new";
  EXPECT_EQ(JobTable({*feed.job, empty}),
            "NAME  STATE    STAGE  STEP  PASS@1  TIME    CHECKSUM  DIRECTORY\n"
            "tiny  running  zero   3/10  25.0 %  1m 01s  c0ffee    runs/tiny\n"
            "new   unknown  -      -     -       0 ms    -         -\n");
}

}  // namespace
}  // namespace aha::cli
