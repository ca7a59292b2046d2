// Errors in a job's files are reported before anything starts.
#include "job/inputs.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <string>

#include "absl/strings/str_cat.h"
#include "data/generator.h"
#include "job/file/job.h"

namespace aha {
namespace {

using ::testing::HasSubstr;
using ::testing::Not;

class InputsTest : public testing::Test {
 protected:
  InputsTest() {
    std::string pattern = testing::TempDir() + "/inputs-XXXXXX";
    directory_ = ::mkdtemp(pattern.data());
    file_ = directory_ + "/p.jsonl";
  }
  ~InputsTest() override { std::filesystem::remove_all(directory_); }

  void Write(const std::string& lines) { std::ofstream(file_) << lines; }

  // Returns what CheckInputs reports for a job with this reward and this stage.
  std::string Check(const std::string& reward,
                    const std::string& stage = "grpo, grpo: {steps: 1}") {
    const auto job = ParseJob(
        absl::StrCat("name: j\n"
                     "model: {architecture: {hidden_size: 64}}\n"
                     "prompts: {file: ",
                     file_, ", max_prompt_length: 16}\nrewards: [{type: ",
                     reward, "}]\nstages: [{name: s, type: ", stage, "}]\n"),
        "j.yaml");
    EXPECT_TRUE(job.ok()) << job.status();
    if (!job.ok()) return "";
    const absl::Status status = CheckInputs(*job);
    EXPECT_TRUE(status.ok() || absl::IsInvalidArgument(status)) << status;
    return std::string(status.message());
  }

  std::string directory_, file_;
};

TEST_F(InputsTest, AnAnswerThatARewardCannotUseIsNamedWithItsLine) {
  Write(
      "{\"prompt\": \"1+1?\", \"answer\": 2}\n"
      "\n"
      "{\"prompt\": \"1+2?\", \"answer\": \"none\"}\n");
  EXPECT_EQ(Check("last_number"),
            file_ +
                ":3: answer must be a number for reward last_number, got "
                "'none'");
  EXPECT_EQ(Check("contains"), "");
  Write("{\"prompt\": \"1\", \"answer\": \"" + std::string(2000, '9') + "\"}");
  EXPECT_THAT(Check("contains"), HasSubstr("has 2000"));
}

TEST_F(InputsTest,
       APromptThatIsTooLongOrOutsideTheVocabularyIsNamedWithItsLine) {
  Write(
      "{\"prompt\": \"1234567890123456\", \"answer\": 2}\n"
      "{\"prompt\": \"12345678901234567\", \"answer\": 2}\n"
      "{\"prompt\": \"caf\\u00e9?\", \"answer\": 2}\n");
  const std::string message = Check("contains");
  EXPECT_THAT(message, Not(HasSubstr(file_ + ":1")));
  EXPECT_THAT(message,
              HasSubstr(file_ + ":2: prompt: must have 1 to 16 tokens "
                                "(prompts.max_prompt_length), got 17"));
  EXPECT_THAT(message, HasSubstr(file_ + ":3: prompt: "));
}

TEST_F(InputsTest, OnlyAFewOfManyBadPromptsAreShown) {
  std::string lines;
  for (int i = 0; i < 50; ++i) {
    absl::StrAppend(&lines, "{\"prompt\": \"", i, "\", \"answer\": \"x\"}\n");
  }
  Write(lines);
  const std::string message = Check("last_number");
  EXPECT_THAT(message, HasSubstr(file_ + ":5: "));
  EXPECT_THAT(message, Not(HasSubstr(file_ + ":6: ")));
  EXPECT_THAT(message, HasSubstr("prompts: 45 more like these"));
}

TEST_F(InputsTest, ABadPromptThatNoStageDrawsIsAccepted) {
  std::string lines;
  for (int i = 0; i < 50; ++i) {
    const std::string prompt = absl::StrCat("1+", i, "?");
    absl::StrAppend(&lines, "{\"prompt\": \"", prompt, "\", \"answer\": \"",
                    SplitOf(prompt) == Split::kEval ? "1" : "x", "\"}\n");
  }
  Write(lines);
  EXPECT_EQ(Check("last_number", "eval, eval: {prompts: 1}"), "");
  EXPECT_THAT(Check("last_number"), HasSubstr(file_));
}

TEST_F(InputsTest, AStageThatSamplesInOrderWantsNoMorePromptsThanThereAre) {
  Write("{\"prompt\": \"1+1?\", \"answer\": 2}\n");
  EXPECT_EQ(Check("contains", "sample, sample: {prompts: 1}"), "");
  EXPECT_EQ(Check("contains", "sample, sample: {prompts: 2}"),
            "stages[0].sample.prompts: must be at most 1, the number of "
            "training prompts, got 2");
}

TEST_F(InputsTest, APromptFileThatIsNotThereIsReportedOnce) {
  file_ += ".none";
  const std::string message =
      Check("contains", "sample}, {name: e, type: eval");
  EXPECT_THAT(message, HasSubstr("prompts.file: "));
  EXPECT_THAT(message, Not(HasSubstr("\n")));
}

TEST_F(InputsTest, WhatIsLeftOutAndWhatIsSharedIsNoted) {
  Write(
      "{\"prompt\": \"1+1?\", \"answer\": 2}\n"
      "{\"prompt\": \"1+2?\", \"answer\": 3}\n"
      "{\"prompt\": \"1+3?\"}\n");
  const std::string held_out = directory_ + "/held-out.jsonl";
  std::ofstream(held_out) << "{\"prompt\": \"1+2?\", \"answer\": 3}\n"
                          << "{\"prompt\": \"1+4?\", \"answer\": 5}\n";
  const auto job = ParseJob(
      absl::StrCat("name: j\nmodel: {architecture: {hidden_size: 64}}\n"
                   "prompts: {file: ",
                   file_, ", eval_file: ", held_out,
                   ", on_bad_row: skip, max_prompt_length: 16}\n"
                   "rewards: [{type: contains}]\n"
                   "stages: [{name: s, type: grpo, grpo: {steps: 1}}, {name: "
                   "e, type: eval, eval: {prompts: 2}}]\n"),
      "j.yaml");
  ASSERT_TRUE(job.ok()) << job.status();
  std::vector<std::string> notes;
  const absl::Status status = CheckInputs(*job, &notes);
  ASSERT_TRUE(status.ok()) << status;
  EXPECT_THAT(
      notes,
      ::testing::ElementsAre(
          HasSubstr("prompts.file: 1 of 3 rows are left out: 1 for answer, the "
                    "first at " +
                    file_ + ":3: answer is missing"),
          HasSubstr("prompts.eval_file: 1 of 2 held-out prompts are training "
                    "prompts, too")));
}

TEST_F(InputsTest, ShuffledAnswersAreNamedWithTheirOwnLine) {
  Write(
      "{\"prompt\": \"1+1?\", \"answer\": 2}\n"
      "{\"prompt\": \"1+2?\", \"answer\": \"none\"}\n");
  const auto job = ParseJob(
      absl::StrCat("name: j\nmodel: {architecture: {hidden_size: 64}}\n"
                   "prompts: {file: ",
                   file_,
                   ", shuffled_answers: true, max_prompt_length: 16}\n"
                   "rewards: [{type: last_number}]\n"
                   "stages: [{name: s, type: grpo, grpo: {steps: 1}}]\n"),
      "j.yaml");
  ASSERT_TRUE(job.ok()) << job.status();
  EXPECT_THAT(std::string(CheckInputs(*job).message()),
              HasSubstr(file_ + ":2: answer must be a number"));
}

TEST_F(InputsTest, AConversationNeedsAModelWithAChatTemplate) {
  Write(
      "{\"messages\": [{\"role\": \"user\", \"content\": \"1+1?\"}], "
      "\"answer\": 2}\n");
  EXPECT_THAT(Check("contains"), HasSubstr(file_ + ":1: prompt: "));
}

TEST_F(InputsTest, GeneratedPromptsThatAreTooLongAreFound) {
  const auto job = ParseJob(
      "name: j\nmodel: {architecture: {hidden_size: 64}}\n"
      "prompts: {max_prompt_length: 8}\nrewards: [{type: contains}]\n"
      "stages: [{name: s, type: grpo, grpo: {steps: 1}}]\n",
      "j.yaml");
  ASSERT_TRUE(job.ok()) << job.status();
  EXPECT_THAT(std::string(CheckInputs(*job).message()),
              HasSubstr("prompt: must have 1 to 8 tokens"));
}

}  // namespace
}  // namespace aha
