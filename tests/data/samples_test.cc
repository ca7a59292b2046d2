// Small files in the forms in which well-known data sets are published
// (tests/data/samples) are read by their preset and, where their names are
// known, without one.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <string>

#include "data/data_presets.h"
#include "data/profile.h"
#include "data/prompt_file.h"

namespace aha {
namespace {

using ::testing::IsEmpty;

PromptTable Load(const std::string& file, const std::string& preset) {
  PromptFileOptions options;
  options.paths = {AHA_SOURCE_DIR "/tests/data/samples/" + file};
  if (!preset.empty()) {
    const DataPreset* const found = FindDataPreset(preset);
    EXPECT_NE(found, nullptr) << preset;
    if (found == nullptr) return {};
    options.mapping = {.fields = found->fields, .extract = found->extract};
  }
  auto table = LoadPrompts(options);
  EXPECT_TRUE(table.ok()) << table.status();
  return table.ok() ? *std::move(table) : PromptTable{};
}

TEST(SamplesTest, Gsm8kRowsNeedTheirPreset) {
  const PromptTable table = Load("gsm8k.jsonl", "gsm8k");
  ASSERT_EQ(table.records.size(), 12u);
  EXPECT_EQ(table.records[0].answer, "7");
  EXPECT_EQ(table.records[3].answer, "1,080");
}

TEST(SamplesTest, MathRowsGiveTheSameReferencesWithAndWithoutTheirPreset) {
  const PromptTable boxed = Load("math.jsonl", "math");
  const PromptTable named = Load("math.jsonl", "");
  ASSERT_EQ(boxed.records.size(), named.records.size());
  for (size_t i = 0; i < boxed.records.size(); ++i) {
    EXPECT_EQ(boxed.records[i].answer, named.records[i].answer);
  }
  EXPECT_EQ(named.report.used.prompt, "problem");
}

TEST(SamplesTest, MawpsRowsNeedNothing) {
  const PromptTable table = Load("mawps.jsonl", "");
  EXPECT_EQ(table.report.used.prompt, "input");
  EXPECT_EQ(table.report.used.answer, "target");
  EXPECT_EQ(table.records[0].answer, "5.0");
}

TEST(SamplesTest, ConversationsOfVerlAndOfChatsAreRead) {
  EXPECT_EQ(Load("verl.json", "verl").records[2].answer, "21");
  EXPECT_EQ(Load("verl.json", "").records[2].answer, "21");
  const PromptTable chats = Load("messages.jsonl", "messages");
  EXPECT_EQ(chats.records[0].turns.front().role, "system");
  EXPECT_EQ(chats.records[1].turns.size(), 3u);
  EXPECT_EQ(chats.records[1].answer, "8");
}

TEST(SamplesTest, ATableIsRead) {
  const PromptTable table = Load("table.csv", "");
  ASSERT_EQ(table.records.size(), 2u);
  EXPECT_EQ(table.records[1].prompt, "A text\nof two lines: 2 + 3?");
  EXPECT_EQ(table.records[1].fields.at("source"), "\"made\"");
}

TEST(ProfileTest, CountsKeysTypesAndDuplicates) {
  PromptFileOptions options;
  const std::string samples = AHA_SOURCE_DIR "/tests/data/samples/";
  options.paths = {samples + "mawps.jsonl", samples + "mawps.jsonl"};
  const auto profile = ProfileData(options);
  ASSERT_TRUE(profile.ok()) << profile.status();
  EXPECT_EQ(profile->rows, 12u);
  EXPECT_EQ(profile->keys.at("input").types.at("string"), 12u);
  EXPECT_EQ(profile->keys.at("target").types.at("number"), 12u);
  EXPECT_EQ(profile->duplicates, 6u);
  EXPECT_THAT(profile->prompts->report.skipped, IsEmpty());
}

TEST(ProfileTest, ShowsTheKeysAlsoIfNoRowIsAPrompt) {
  PromptFileOptions options;
  options.paths = {AHA_SOURCE_DIR "/tests/data/samples/mawps.jsonl"};
  options.mapping.fields.prompt = "query";
  const auto profile = ProfileData(options);
  ASSERT_TRUE(profile.ok()) << profile.status();
  EXPECT_FALSE(profile->prompts.ok());
  EXPECT_EQ(profile->keys.count("input"), 1u);
}

}  // namespace
}  // namespace aha
