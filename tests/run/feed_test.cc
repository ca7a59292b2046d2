#include "run/feed.h"

#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "tests/temp_dir.h"

namespace aha::run {
namespace {

using ::testing::ElementsAre;
using ::testing::Field;
using ::testing::IsEmpty;

TEST(FileFeedTest, GivesEverythingThatTheFilesHold) {
  const TempDir dir;
  dir.Write("job.yaml", "name: tiny\n");
  dir.Write("summary.json", R"({"job": "tiny", "state": "stopped"})");
  dir.Write("metrics.jsonl", "{\"stage\":\"zero\",\"step\":0}\n{\"st");
  dir.Write("events.jsonl",
            "{\"event\":\"a\"}\nnoise\n{\"event\":\"b\"}\n{\"event\":\"c\"}\n");
  dir.Write("processes.json", R"([{"name": "actor-0", "pid": 3}])");
  dir.Write("checkpoints/step-000010/manifest.json", "{}");
  dir.Write("rollouts/step-000003.jsonl", "");
  FileFeed feed{RunReader(dir.path())};
  EXPECT_EQ(feed.Job()->state, JobState::kStopped);
  EXPECT_EQ(feed.Job()->run_directory, dir.path());
  EXPECT_EQ(feed.End()->state, JobState::kStopped);
  EXPECT_EQ(feed.Metrics().size(), 1u);
  EXPECT_THAT(feed.Events(2), ElementsAre(Field(&Event::event, "b"),
                                          Field(&Event::event, "c")));
  EXPECT_THAT(feed.Processes(),
              ElementsAre(Field(&ProcessEntry::name, "actor-0")));
  EXPECT_THAT(feed.Checkpoints(), ElementsAre("checkpoints/step-000010"));
  EXPECT_THAT(feed.Rollouts(), ElementsAre(Field(&RolloutRef::step, 3u)));
  EXPECT_THAT(feed.Members(), IsEmpty());
}

TEST(FileFeedTest, WhatIsNotThereIsEmpty) {
  const TempDir dir;
  FileFeed feed{RunReader(dir.path())};
  EXPECT_EQ(feed.Job()->state, JobState::kInterrupted);
  EXPECT_FALSE(feed.End().has_value());
  EXPECT_THAT(feed.Metrics(), IsEmpty());
  EXPECT_THAT(feed.Events(5), IsEmpty());
  EXPECT_THAT(feed.Processes(), IsEmpty());
  EXPECT_THAT(feed.Checkpoints(), IsEmpty());
  EXPECT_THAT(feed.Rollouts(), IsEmpty());
}

TEST(FileFeedTest, FilesThatCannotBeReachedAreAnErrorOfTheJobAlone) {
  int asked = 0;
  FileFeed feed([&asked]() -> absl::StatusOr<RunReader> {
    ++asked;
    return absl::UnavailableError("no connection");
  });
  EXPECT_EQ(asked, 0) << "files are found only when they are needed";
  EXPECT_TRUE(absl::IsUnavailable(feed.Job().status()));
  EXPECT_FALSE(feed.End().has_value());
  EXPECT_THAT(feed.Metrics(), IsEmpty());
  EXPECT_THAT(feed.Events(5), IsEmpty());
  EXPECT_THAT(feed.Processes(), IsEmpty());
  EXPECT_THAT(feed.Checkpoints(), IsEmpty());
  EXPECT_THAT(feed.Rollouts(), IsEmpty());
}

TEST(FileFeedTest, AFeedFollowsItsFiles) {
  const TempDir dir;
  FileFeed feed{RunReader(dir.path())};
  dir.Write("metrics.jsonl", "{\"stage\":\"zero\",\"step\":0}\n");
  EXPECT_EQ(feed.Job()->stages.at(0).steps_done, 1u);
  dir.Write(
      "metrics.jsonl",
      "{\"stage\":\"zero\",\"step\":0}\n{\"stage\":\"zero\",\"step\":1}\n");
  EXPECT_EQ(feed.Job()->stages.at(0).steps_done, 2u);
}

}  // namespace
}  // namespace aha::run
