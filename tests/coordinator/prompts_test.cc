// Which prompt a slot of a stage holds.
#include "coordinator/prompts.h"

#include <fstream>
#include <set>

#include "absl/strings/str_cat.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "tests/temp_dir.h"

namespace aha::coordinator {
namespace {

using ::testing::HasSubstr;

// A file of prompts, and a stage that uses them.
class PromptsTest : public ::testing::Test {
 protected:
  PromptsTest() {
    const std::string path = dir_.path() + "/prompts.jsonl";
    std::ofstream file(path);
    for (int i = 0; i < 5; ++i) {
      file << absl::StrCat("{\"prompt\": \"p", i, "\", \"answer\": \"a", i,
                           "\"}\n");
    }
    plan_.job.mutable_prompts()->set_file(path);
    plan_.stages.resize(1);
  }
  void Use(PromptUse use, uint32_t groups) {
    plan_.stages[0].kind = "sample";
    plan_.stages[0].traits.consumer = GroupConsumer::kCoordinator;
    plan_.stages[0].traits.prompts = use;
    plan_.stages[0].groups = groups;
  }

  TempDir dir_;
  JobPlan plan_;
};

TEST_F(PromptsTest, TrainingPromptsInOrderStandAsInTheFile) {
  Use(PromptUse::kTrainingInOrder, 5);
  const auto prompts = MakePrompts(plan_);
  ASSERT_TRUE(prompts.ok()) << prompts.status();
  for (uint32_t slot = 0; slot < 5; ++slot) {
    EXPECT_EQ((*prompts)(0, 0, slot).prompt, absl::StrCat("p", slot));
    EXPECT_EQ((*prompts)(0, 0, slot).reference, absl::StrCat("a", slot));
  }
}

TEST_F(PromptsTest, MoreThanThereAreInOrderIsAnErrorThatNamesTheKey) {
  Use(PromptUse::kTrainingInOrder, 6);
  const absl::Status refused = MakePrompts(plan_).status();
  EXPECT_TRUE(absl::IsInvalidArgument(refused));
  EXPECT_THAT(std::string(refused.message()),
              HasSubstr("stages[0].sample.prompts: must be at most 5, the "
                        "number of training prompts, got 6"));
}

TEST_F(PromptsTest, TheFilesAreDescribedForTheSummary) {
  Use(PromptUse::kTrainingInOrder, 5);
  std::vector<run::DataSummary> data;
  ASSERT_TRUE(MakePrompts(plan_, &data).ok());
  ASSERT_EQ(data.size(), 1u);
  EXPECT_EQ(data[0].key, "prompts.file");
  EXPECT_EQ(data[0].use, "training");
  EXPECT_EQ(data[0].rows, 5u);
  EXPECT_EQ(data[0].prompts, 5u);
  EXPECT_TRUE(data[0].skipped.empty());
}

TEST_F(PromptsTest, ShuffledPromptsComeOnceAnEpoch) {
  Use(PromptUse::kTrainingShuffled, 5);
  const auto prompts = MakePrompts(plan_);
  ASSERT_TRUE(prompts.ok()) << prompts.status();
  std::set<std::string> seen;
  for (uint32_t slot = 0; slot < 5; ++slot) {
    seen.insert((*prompts)(0, 3, slot).prompt);
  }
  EXPECT_EQ(seen.size(), 5u);
}

}  // namespace
}  // namespace aha::coordinator
