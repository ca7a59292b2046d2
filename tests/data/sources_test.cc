#include "data/sources.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <fstream>
#include <set>
#include <string>

#include "absl/strings/str_cat.h"
#include "tests/temp_dir.h"

namespace aha {
namespace {

using ::testing::HasSubstr;

std::unique_ptr<PromptSource> Make(const PromptSourceOptions& options) {
  auto source = MakePromptSource(options);
  EXPECT_TRUE(source.ok()) << source.status();
  return *std::move(source);
}

TEST(GeneratedSourceTest, GivesTheGeneratorsExercises) {
  PromptSourceOptions options;
  options.seed = 5;
  const auto source = Make(options);
  EXPECT_EQ(source->count(), uint64_t{1} << 31);
  const Exercise exercise = MakeExercise(5, Split::kTrain, 17, {});
  EXPECT_EQ(source->Get(17).prompt, exercise.prompt);
  EXPECT_EQ(source->Get(17).reference, exercise.answer);
  EXPECT_EQ(source->Get(17).id, exercise.id);
}

TEST(GeneratedSourceTest, ShuffledAnswersAreOfOtherPromptsOfTheSameKind) {
  PromptSourceOptions options;
  const auto real = Make(options);
  options.shuffled_answers = true;
  const auto shuffled = Make(options);
  int equal = 0;
  for (uint64_t i = 0; i < 1000; ++i) {
    const Prompt a = real->Get(i), b = shuffled->Get(i);
    EXPECT_EQ(a.prompt, b.prompt);
    EXPECT_EQ(std::isdigit(a.reference[0]), std::isdigit(b.reference[0]));
    equal += a.reference == b.reference;
  }
  // One in eight or ten is equal by chance.
  EXPECT_GT(equal, 50);
  EXPECT_LT(equal, 170);
}

TEST(GeneratedSourceTest, EvaluationKeepsItsAnswers) {
  PromptSourceOptions options;
  options.split = Split::kEval;
  options.shuffled_answers = true;
  const auto source = Make(options);
  for (uint64_t i = 0; i < 50; ++i) {
    EXPECT_EQ(source->Get(i).reference,
              MakeExercise(1, Split::kEval, i, {}).answer);
  }
}

class FileSourceTest : public ::testing::Test {
 protected:
  FileSourceTest() { options_.files.paths = {file_}; }

  void Write(int prompts) {
    std::ofstream file(file_);
    for (int i = 0; i < prompts; ++i) {
      file << "{\"prompt\": \"p" << i << "\", \"answer\": " << i << "}\n";
    }
  }

  const TempDir scratch_;
  const std::string& directory_ = scratch_.path();
  const std::string file_ = directory_ + "/p.jsonl";
  PromptSourceOptions options_;
};

TEST_F(FileSourceTest, TheSplitsShareTheFileBetweenThem) {
  Write(200);
  std::set<std::string> seen;
  uint64_t total = 0;
  for (const Split split : {Split::kTrain, Split::kEval}) {
    options_.split = split;
    const auto source = Make(options_);
    total += source->count();
    for (uint64_t i = 0; i < source->count(); ++i) {
      const Prompt prompt = source->Get(i);
      EXPECT_EQ(SplitOf(prompt.prompt), split);
      EXPECT_EQ(absl::StrCat("p", prompt.reference), prompt.prompt);
      seen.insert(prompt.prompt);
    }
  }
  EXPECT_EQ(total, 200u);
  EXPECT_EQ(seen.size(), 200u);
  options_.split = Split::kAll;
  EXPECT_EQ(Make(options_)->count(), 200u);
}

TEST_F(FileSourceTest, ShufflingGivesNoPromptItsOwnAnswer) {
  Write(50);
  options_.split = Split::kAll;
  options_.shuffled_answers = true;
  const auto source = Make(options_);
  std::set<std::string> answers;
  for (uint64_t i = 0; i < 50; ++i) {
    EXPECT_NE(absl::StrCat("p", source->Get(i).reference),
              source->Get(i).prompt);
    answers.insert(source->Get(i).reference);
  }
  EXPECT_EQ(answers.size(), 50u);
}

TEST_F(FileSourceTest, SaysWhenAFileIsTooSmall) {
  Write(1);
  options_.split =
      SplitOf("p0") == Split::kTrain ? Split::kEval : Split::kTrain;
  EXPECT_THAT(MakePromptSource(options_).status().ToString(),
              HasSubstr("one prompt in eight"));
  options_.split = Split::kAll;
  options_.shuffled_answers = true;
  EXPECT_THAT(MakePromptSource(options_).status().ToString(),
              HasSubstr("shuffled_answers needs at least 2 prompts"));
  options_.files.paths = {directory_ + "/none"};
  EXPECT_EQ(MakePromptSource(options_).status().code(),
            absl::StatusCode::kNotFound);
}

TEST_F(FileSourceTest, PromptsThatTwoSourcesShareAreCounted) {
  Write(200);
  options_.split = Split::kAll;
  const auto all = Make(options_);
  options_.split = Split::kEval;
  const auto held_out = Make(options_);
  options_.split = Split::kTrain;
  EXPECT_EQ(CountShared(*all, *held_out), held_out->count());
  EXPECT_EQ(CountShared(*Make(options_), *held_out), 0u);
  EXPECT_EQ(all->PlaceOf(7), file_ + ":8");
}

TEST_F(FileSourceTest, DocumentsComeFromTheFileOrTheGenerator) {
  const std::string path = directory_ + "/d.jsonl";
  std::ofstream(path) << R"({"prompt": "a", "completion": "b"})";
  const auto from_file = MakeDocumentSource({path, {}, {}, 1});
  ASSERT_TRUE(from_file.ok()) << from_file.status();
  EXPECT_EQ((*from_file)->count(), 1u);
  EXPECT_EQ((*from_file)->Get(0).completion, "b");
  const auto generated = MakeDocumentSource({"", {}, {}, 9});
  ASSERT_TRUE(generated.ok());
  EXPECT_EQ((*generated)->Get(3).prompt, MakeDocument(9, 3, {}, {}).prompt);
  EXPECT_FALSE(MakeDocumentSource({"", {{}, 5, 4}, {}, 9}).ok());
  EXPECT_FALSE(MakeDocumentSource({"", {}, {2, 0, 0, 0}, 9}).ok());
}

}  // namespace
}  // namespace aha
