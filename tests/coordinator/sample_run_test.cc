// A stage of kind sample alone: its file has the same bytes however the groups
// come and however often its process ends.
#include <signal.h>
#include <sys/resource.h>

#include <algorithm>
#include <filesystem>
#include <fstream>
#include <iterator>
#include <numeric>
#include <sstream>

#include "base/rng.h"
#include "coordinator/stages/dataset.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "nlohmann/json.hpp"
#include "tests/coordinator/stage_fixture.h"

namespace aha::coordinator {
namespace {

using ::testing::HasSubstr;

constexpr uint32_t kPrompts = 12;

StagePlan SampleStage(uint32_t prompts = kPrompts) {
  return {.name = "answers",
          .kind = "sample",
          .traits = {.consumer = GroupConsumer::kCoordinator,
                     .prompts = PromptUse::kTrainingInOrder},
          .groups = prompts,
          .num_generations = 2,
          .sampling = {}};
}

class SampleRunTest : public StageTest {
 protected:
  explicit SampleRunTest(uint32_t prompts = kPrompts)
      : StageTest(SampleStage(prompts)) {}

  std::string Path() const { return dir_.path() + "/datasets/answers.jsonl"; }
  std::string Bytes() const {
    std::ifstream file(Path(), std::ios::binary);
    return std::string(std::istreambuf_iterator<char>(file), {});
  }
  // What the file must hold in the end.
  std::string Expected(uint32_t prompts = kPrompts) const {
    std::string text;
    for (uint32_t slot = 0; slot < prompts; ++slot) {
      text += DatasetLines(Group(slot));
    }
    return text;
  }
  // Delivers the groups, and saves as the coordinator does a second later.
  void Deliver(const std::vector<uint32_t>& slots) {
    for (const uint32_t slot : slots) {
      const absl::StatusOr<bool> added = run_->Deliver(Group(slot));
      ASSERT_TRUE(added.ok()) << added.status();
    }
    now_ += absl::Seconds(1);
    if (run_->WantsSave()) {
      const absl::Status saved = run_->Save();
      ASSERT_TRUE(saved.ok()) << saved;
    }
  }
  void DeliverAll() {
    std::vector<uint32_t> slots(kPrompts);
    std::iota(slots.begin(), slots.end(), 0);
    Deliver(slots);
    ASSERT_TRUE(run_->IsComplete());
    ASSERT_TRUE(run_->RecordEnd().ok());
  }
  // Every slot that can be leased.
  std::vector<uint32_t> LeaseAll() {
    EXPECT_TRUE(Publish(0).ok());
    std::vector<uint32_t> slots;
    while (const auto slot = Lease()) slots.push_back(*slot);
    return slots;
  }
};

TEST_F(SampleRunTest, ALineHasTheNamesOfRollouts) {
  const std::string lines = DatasetLines(Group(3));
  EXPECT_EQ(std::count(lines.begin(), lines.end(), '\n'), 2);
  const auto line = nlohmann::json::parse(lines.substr(0, lines.find('\n')));
  EXPECT_EQ(line["prompt_id"], "prompt-3");
  EXPECT_EQ(line["prompt"], "What is 3?");
  EXPECT_EQ(line["reference"], "3");
  EXPECT_EQ(line["completion"], "It is 3.0");
  EXPECT_EQ(line["token_ids"], nlohmann::json({7}));
  EXPECT_EQ(line["prompt_token_ids"], nlohmann::json({3}));
  EXPECT_EQ(line["logprobs"].size(), 1u);
  EXPECT_EQ(line["finish_reason"], "stop");
  EXPECT_EQ(line["reward"], 1 + 0.1 * 3);
  EXPECT_EQ(line["rewards"]["accuracy"], 1);
  EXPECT_EQ(line["sample"], 0);
  EXPECT_EQ(line["policy_version"], 0);
  EXPECT_EQ(line.size(), 12u);
}

TEST_F(SampleRunTest, AJobWithoutRewardsMakesADataSetWithoutThem) {
  plan_.job.clear_rewards();
  Open();
  for (uint32_t slot = 0; slot < kPrompts; ++slot) {
    v1::ScoredGroup group = Group(slot);
    for (v1::ScoredTrajectory& scored : *group.mutable_trajectories()) {
      scored.clear_parts();
    }
    ASSERT_TRUE(run_->Deliver(group).ok());
  }
  ASSERT_TRUE(run_->RecordEnd().ok());
  const std::string bytes = Bytes();
  const auto line = nlohmann::json::parse(bytes.substr(0, bytes.find('\n')));
  EXPECT_FALSE(line.contains("reward"));
  EXPECT_TRUE(line["rewards"].empty());
  EXPECT_FALSE(run_->Figures().contains("reward"));
}

TEST_F(SampleRunTest, GroupsAreWrittenInSlotOrderAsTheyBecomeReady) {
  Deliver({2, 1});
  EXPECT_EQ(Bytes(), "") << "slot 0 is missing";
  Deliver({0});
  EXPECT_EQ(Bytes(), Expected(3));
  Deliver({4});
  EXPECT_EQ(Bytes(), Expected(3));
  EXPECT_EQ(run_->UnitsDone(), 4u);
}

TEST_F(SampleRunTest, TheFileIsSavedAtMostOnceASecond) {
  ASSERT_TRUE(run_->Deliver(Group(0)).ok());
  EXPECT_FALSE(run_->WantsSave());
  now_ += absl::Seconds(1);
  EXPECT_TRUE(run_->WantsSave());
  ASSERT_TRUE(run_->Save().ok());
  EXPECT_FALSE(run_->WantsSave()) << "there is nothing new";
}

TEST_F(SampleRunTest, ItsResultSaysPromptsCompletionsAndTheMeanReward) {
  DeliverAll();
  const DatasetRecord& result = history_->datasets().at(0);
  EXPECT_TRUE(result.done);
  EXPECT_EQ(result.prompts, kPrompts);
  EXPECT_EQ(result.completions, 2 * kPrompts);
  EXPECT_EQ(result.checksum, HashOf(Expected()));
  recorder_->WriteSummary(run::JobState::kSucceeded, "", *history_);
  std::ifstream file(dir_.path() + "/summary.json");
  const auto dataset = nlohmann::json::parse(file)["stages"][0]["dataset"];
  EXPECT_EQ(dataset["file"], "datasets/answers.jsonl");
  EXPECT_EQ(dataset["prompts"], kPrompts);
  EXPECT_EQ(dataset["completions"], 2 * kPrompts);
  EXPECT_NEAR(dataset["mean_reward"], 1 + 0.1 * (kPrompts - 1) / 2 + 0.125,
              1e-12);
  EXPECT_EQ(dataset["checksum"], HashOf(Expected()).Hex());
}

TEST_F(SampleRunTest, AProcessThatFollowsSamplesOnlyWhatIsNotInTheFile) {
  Deliver({0, 1, 3});
  Open();
  EXPECT_EQ(run_->UnitsDone(), 2u);
  EXPECT_THAT(LeaseAll(),
              ::testing::ElementsAre(2, 3, 4, 5, 6, 7, 8, 9, 10, 11));
  EXPECT_FALSE(*run_->Deliver(Group(0))) << "a late delivery changes nothing";
}

TEST_F(SampleRunTest, AFileThatIsWholeIsRecordedAgainWithoutSampling) {
  DeliverAll();
  Open();
  EXPECT_TRUE(run_->IsComplete());
  EXPECT_TRUE(run_->RecordEnd().ok());
  EXPECT_EQ(Bytes(), Expected());
}

// Any number of processes, each of which ends at a random moment: while groups
// are held, after groups were appended but not recorded, and with half a line
// at the end of the file.
TEST_F(SampleRunTest, TheBytesAreTheSameAfterAnyNumberOfKills) {
  const RandomKey key(2026, RandomPurpose::kTest, 11);
  uint64_t draw = 0;
  const auto below = [&](uint64_t n) { return key.Below(draw++, n); };
  for (int run = 0; run < 20; ++run) {
    std::filesystem::remove_all(dir_.path() + "/datasets");
    ASSERT_TRUE(store_->Clear().ok());
    Open();
    int processes = 1;
    while (!run_->IsComplete()) {
      std::vector<uint32_t> slots = LeaseAll();
      for (size_t i = slots.size(); i > 1; --i) {
        std::swap(slots[i - 1], slots[below(i)]);
      }
      slots.resize(below(slots.size() + 1));
      for (const uint32_t slot : slots) {
        if (below(3) == 0) {
          Deliver({slot});
        } else {
          ASSERT_TRUE(run_->Deliver(Group(slot)).ok());
        }
      }
      if (run_->IsComplete()) break;
      if (below(2) == 0) {
        std::ofstream(Path(), std::ios::app) << "{\"prompt_id\":\"to";
      }
      Open();
      ++processes;
    }
    ASSERT_TRUE(run_->RecordEnd().ok());
    ASSERT_EQ(Bytes(), Expected()) << "after " << processes << " processes";
    ASSERT_EQ(history_->datasets().at(0).checksum, HashOf(Expected()));
  }
}

// The negative control of the test above: what a group holds reaches the file.
TEST_F(SampleRunTest, AnotherRewardGivesOtherBytes) {
  DeliverAll();
  EXPECT_NE(DatasetLines(Group(5, /*value=*/2)), DatasetLines(Group(5)));
  EXPECT_EQ(Bytes().find(DatasetLines(Group(5, /*value=*/2))),
            std::string::npos);
}

TEST_F(SampleRunTest, AFlippedByteIsNoticedAndTheDataSetIsSampledAgain) {
  Deliver({0, 1, 2, 3});
  std::string bytes = Bytes();
  bytes[bytes.size() / 2] ^= 1;
  std::ofstream(Path(), std::ios::binary) << bytes;
  Open();
  EXPECT_EQ(run_->UnitsDone(), 0u);
  DeliverAll();
  EXPECT_EQ(Bytes(), Expected());
  std::ifstream events(dir_.path() + "/events.jsonl");
  EXPECT_THAT(std::string(std::istreambuf_iterator<char>(events), {}),
              HasSubstr("is sampled again"));
}

TEST_F(SampleRunTest, AFileThatIsGoneOrCutShortIsSampledAgain) {
  Deliver({0, 1, 2, 3});
  std::filesystem::resize_file(Path(), Bytes().size() - 1);
  Open();
  EXPECT_EQ(run_->UnitsDone(), 0u);
  Deliver({0, 1});
  std::filesystem::remove(Path());
  Open();
  EXPECT_EQ(run_->UnitsDone(), 0u);
  DeliverAll();
  EXPECT_EQ(Bytes(), Expected());
}

TEST_F(SampleRunTest, ARecordThatNamesMorePromptsThanThereAreIsNotBelieved) {
  ASSERT_TRUE(
      store_->PutDataset({.stage = 0, .prompts = kPrompts + 1}, 1).ok());
  Open();
  EXPECT_EQ(run_->UnitsDone(), 0u);
}

TEST_F(SampleRunTest, AFullDiskKeepsTheGroupsForLater) {
  signal(SIGXFSZ, SIG_IGN);
  rlimit before{};
  getrlimit(RLIMIT_FSIZE, &before);
  const rlimit full{.rlim_cur = 100, .rlim_max = before.rlim_max};
  ASSERT_TRUE(run_->Deliver(Group(0)).ok());
  now_ += absl::Seconds(1);
  setrlimit(RLIMIT_FSIZE, &full);
  const absl::Status refused = run_->Save();
  EXPECT_TRUE(run_->WantsSave());
  setrlimit(RLIMIT_FSIZE, &before);
  EXPECT_TRUE(absl::IsUnavailable(refused)) << refused;
  EXPECT_THAT(std::string(refused.message()), HasSubstr(Path()));
  ASSERT_TRUE(run_->Save().ok());
  EXPECT_EQ(Bytes(), Expected(1));
}

class LargeSampleRunTest : public SampleRunTest {
 protected:
  LargeSampleRunTest() : SampleRunTest(/*prompts=*/200) {}
};

TEST_F(LargeSampleRunTest, WhatAwaitsAMissingGroupIsBounded) {
  ASSERT_TRUE(Publish(0).ok());
  ASSERT_EQ(Lease(), 0u);
  uint32_t delivered = 0;
  while (const auto slot = Lease()) {
    v1::ScoredGroup group = Group(*slot);
    group.mutable_trajectories(0)->mutable_trajectory()->set_completion(
        std::string(1 << 20, 'x'));
    ASSERT_TRUE(run_->Deliver(group).ok());
    ++delivered;
  }
  EXPECT_GE(delivered, 63u);
  EXPECT_LE(delivered, 65u) << "64 MiB wait for slot 0";
  run_->ledger()->Return(/*member=*/1);  // Its actor is gone.
  EXPECT_EQ(Lease(), 0u) << "the missing group itself is leased again";
  ASSERT_TRUE(run_->Deliver(Group(0)).ok());
  EXPECT_EQ(Lease(), std::nullopt);
  ASSERT_TRUE(run_->Save().ok());
  EXPECT_EQ(Lease(), delivered + 1);
}

}  // namespace
}  // namespace aha::coordinator
