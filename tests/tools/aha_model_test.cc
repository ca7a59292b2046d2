// aha-model prints the documented output and returns the documented exit codes.
#include <filesystem>
#include <fstream>
#include <string>
#include <vector>

#include "absl/strings/str_cat.h"
#include "tests/tools/aha_model_fixture.h"

namespace aha {
namespace {

using ::testing::HasSubstr;
using ::testing::Not;
using Json = nlohmann::json;

TEST_F(AhaModelTest, HelpTeachesWithExamples) {
  for (const char* command : {"", "inspect", "import", "export", "tokenize",
                              "generate", "score", "loss", "certify"}) {
    const Outcome outcome = Run(absl::StrCat(command, " --help"));
    EXPECT_EQ(outcome.code, 0);
    EXPECT_THAT(outcome.out, HasSubstr("Examples:"));
    EXPECT_THAT(outcome.out, HasSubstr("aha-model"));
  }
}

TEST_F(AhaModelTest, HelpNamesValuesAsTheyAreTyped) {
  const std::string help = Run("import --help").out;
  EXPECT_THAT(help, HasSubstr("{text,json}=text"));
  EXPECT_THAT(help, Not(HasSubstr("ENUM")));
  EXPECT_THAT(help, HasSubstr("must be new or empty"));
  ExpectError("inspect " + model_ + " -o 1", 2, "1 not in {text,json}");
}

TEST_F(AhaModelTest, InspectShowsTheModel) {
  const Outcome text = Run("inspect " + model_);
  EXPECT_EQ(text.code, 0) << text.err;
  EXPECT_THAT(text.out, HasSubstr("2 of 16, inner 40"));
  const Json json = Run("inspect " + model_ + " -o json").json();
  EXPECT_EQ(json["config"]["hidden_size"], 16);
  EXPECT_EQ(json["dtype"], "fp32");
  EXPECT_EQ(json["eos_tokens"], Json({"<eos>"}));
  EXPECT_EQ(json["chat_template"], "renders a question");
  EXPECT_EQ(json["weights_checksum"].get<std::string>().size(), 32u);
}

TEST_F(AhaModelTest, TokenizeShowsIdsAndTokens) {
  const Json json =
      Run("tokenize " + model_ + " --text '1+<think>' -o json").json();
  EXPECT_EQ(json["tokens"], Json({"1", "+", "<think>"}));
  EXPECT_EQ(json["token_ids"].size(), 3u);
  const Json chat =
      Run("tokenize " + model_ + " --chat --text hi -o json").json();
  EXPECT_EQ(chat["text"],
            "<|im_start|>user\nhi<|im_end|>\n<|im_start|>assistant\n");
}

TEST_F(AhaModelTest, ASystemMessageAndVariablesReachTheTemplate) {
  const auto text = [&](const std::string& flags) {
    return Run("tokenize " + model_ + " --text hi -o json " + flags)
        .json()["text"];
  };
  EXPECT_EQ(text("--chat --system 'Be terse.'"),
            "<|im_start|>system\nBe terse.<|im_end|>\n"
            "<|im_start|>user\nhi<|im_end|>\n<|im_start|>assistant\n");
  std::filesystem::remove(model_ + "/tokenizer_config.json");
  std::ofstream(model_ + "/chat_template.jinja")
      << "{{ messages[0].content ~ x }}";
  EXPECT_EQ(text("--chat --chat-template-kwargs '{\"x\": 3}'"), "hi3");
  for (const char* flag : {"--system x", "--chat-template-kwargs '{}'"}) {
    ExpectError("tokenize " + model_ + " --text hi " + flag, 2, "needs --chat");
    ExpectError("generate " + model_ + " --prompt hi " + flag, 2,
                "needs --chat");
  }
  ExpectError("tokenize " + model_ +
                  " --chat --text hi "
                  "--chat-template-kwargs 3",
              2, "must be a JSON object");
}

TEST_F(AhaModelTest, EqualSeedsGiveEqualCompletionsForAnyThreads) {
  const std::string command =
      "generate " + model_ +
      " --prompt '3+5?' -n 3 --max-new-tokens 12 -o json";
  const Outcome one = Run(command + " --seed 1 --threads 1");
  ASSERT_EQ(one.code, 0) << one.err;
  ASSERT_EQ(one.lines().size(), 3u);
  EXPECT_EQ(one.out, Run(command + " --seed 1 --threads 2").out);
  EXPECT_NE(one.out, Run(command + " --seed 2 --threads 1").out);
}

TEST_F(AhaModelTest, GenerateAnswersAFileOfPromptsInItsOrder) {
  const std::string prompts =
      File("prompts.jsonl",
           "{\"prompt\": \"1+1?\"}\n\n{\"messages\": [{\"role\": \"user\", "
           "\"content\": \"hi\"}]}\n");
  const Outcome outcome = Run("generate " + model_ + " --prompts " + prompts +
                              " --max-new-tokens 5 -o json");
  ASSERT_EQ(outcome.code, 0) << outcome.err;
  const std::vector<Json> lines = outcome.lines();
  ASSERT_EQ(lines.size(), 2u);
  EXPECT_EQ(lines[0]["prompt"], "1+1?");
  EXPECT_THAT(lines[1]["prompt"].get<std::string>(), HasSubstr("user\nhi"));
  const Outcome text = Run("generate " + model_ + " --prompts " + prompts +
                           " --max-new-tokens 5");
  EXPECT_THAT(text.out, HasSubstr("--- prompt 1, sample 0: "));
}

TEST_F(AhaModelTest, ASingleCompletionIsPlainText) {
  const std::string command =
      "generate " + model_ + " --prompt '3+5?' --max-new-tokens 12 --seed 1";
  const Json json = Run(command + " -o json").json();
  // Control characters are excepted, because a terminal must not receive them.
  const Outcome text = Run(command);
  EXPECT_EQ(text.code, 0);
  EXPECT_EQ(text.out, json["completion"].get<std::string>() + "\n");
}

TEST_F(AhaModelTest, ScoresAreTheSamplersLogProbabilities) {
  const std::vector<Json> generated =
      Run("generate " + model_ +
          " --prompt '3+5?' -n 3 --max-new-tokens 9 -o json")
          .lines();
  ASSERT_EQ(generated.size(), 3u);
  std::string input;
  for (const Json& line : generated) {
    std::vector<int> ids = line["prompt_token_ids"];
    for (const int id : line["token_ids"]) ids.push_back(id);
    absl::StrAppend(&input, Json({{"token_ids", ids}, {"note", 7}}).dump(),
                    "\n");
  }
  const Outcome outcome =
      Run("score " + model_ + " --input " + File("in.jsonl", input));
  ASSERT_EQ(outcome.code, 0) << outcome.err;
  const std::vector<Json> scored = outcome.lines();
  ASSERT_EQ(scored.size(), 3u);
  for (size_t i = 0; i < 3; ++i) {
    EXPECT_EQ(scored[i]["note"], 7);
    const std::vector<float> all = scored[i]["logprobs"];
    const std::vector<float> sampled = generated[i]["logprobs"];
    ASSERT_EQ(all.size(), sampled.size() + 3);
    // This is the promise: bit for bit.
    EXPECT_EQ(std::vector<float>(all.begin() + 3, all.end()), sampled);
  }
}

// Lines are whole in whatever pieces they are read, also the last one without a
// newline.
TEST_F(AhaModelTest, LinesOfAnyLengthAreWhole) {
  std::string input;
  for (const size_t length : {1, 65500, 65534, 65535, 65536, 65537, 200000}) {
    Json line = {{"token_ids", {1, 2}}, {"note", ""}};
    const size_t rest = line.dump().size();
    line["note"] = std::string(length - std::min(length, rest), 'x');
    absl::StrAppend(&input, input.empty() ? "" : "\n", line.dump());
  }
  const Outcome outcome =
      Run("score " + model_ + " --input " + File("in.jsonl", input));
  ASSERT_EQ(outcome.code, 0) << outcome.err;
  std::string notes;
  for (const Json& line : outcome.lines()) {
    Json back = {{"token_ids", line["token_ids"]}, {"note", line["note"]}};
    absl::StrAppend(&notes, notes.empty() ? "" : "\n", back.dump());
  }
  EXPECT_EQ(notes, input);
}

std::string TrajectoryLine(const Json& generated, const Json& reward) {
  Json line = generated;
  line.update(reward);
  return line.dump() + "\n";
}

TEST_F(AhaModelTest, LossOfFreshTrajectoriesHasRatioOneAndAGradient) {
  const std::vector<Json> generated =
      Run("generate " + model_ +
          " --prompt '3+5?' -n 4 --max-new-tokens 9 -o json")
          .lines();
  ASSERT_EQ(generated.size(), 4u);
  std::string input;
  for (size_t i = 0; i < 4; ++i) {
    input += TrajectoryLine(generated[i],
                            {{"reward", i == 0 ? 1 : 0}, {"group", 0}});
  }
  const std::string trajectories = File("t.jsonl", input);
  const std::string gradients = scratch_ / "g.safetensors";
  const Outcome outcome =
      Run("loss " + model_ + " --trajectories " + trajectories +
          " --algorithm dapo --set mask_truncated_completions=false"
          " --gradients " +
          gradients + " -o json");
  ASSERT_EQ(outcome.code, 0) << outcome.err;
  const Json json = outcome.json();
  EXPECT_EQ(json["sampling/sampling_logp_difference/max"], 0.0);
  EXPECT_EQ(json["sampling/importance_sampling_ratio/max"], 1.0);
  EXPECT_EQ(json["completions"], 4);
  EXPECT_NEAR(json["advantages"][0].get<double>(), 1.5, 1e-4);
  EXPECT_GT(json["grad_norm"].get<double>(), 1e-3);
  const auto config = ModelConfig::Load(model_);
  const auto read = ReadSafetensors(gradients, *config, DType::kF32);
  ASSERT_TRUE(read.ok()) << read.status();
  // The loss is the same without its gradient.
  const Json alone = Run("loss " + model_ + " --trajectories " + trajectories +
                         " --algorithm dapo"
                         " --set mask_truncated_completions=false -o json")
                         .json();
  EXPECT_EQ(alone["loss"], json["loss"]);
}

TEST_F(AhaModelTest, LossKnowsTheJobFilesAlgorithms) {
  const std::string group =
      File("t.jsonl",
           R"({"prompt": "3+5?", "token_ids": [5, 6], "logprobs": [-1, -2],)"
           R"( "reward": 1, "group": 0})"
           "\n"
           R"({"prompt": "3+5?", "token_ids": [5], "logprobs": [-1],)"
           R"( "reward": 0, "group": 0})"
           "\n"
           R"({"prompt": "3+5?", "token_ids": [6], "logprobs": [-1],)"
           R"( "reward": 0, "group": 0})"
           "\n");
  const auto advantage = [&](const std::string& algorithm) {
    const Outcome outcome =
        Run("loss " + model_ + " --trajectories " + group + " --algorithm " +
            algorithm + " --set max_completion_length=8 -o json");
    EXPECT_EQ(outcome.code, 0) << algorithm << ": " << outcome.err;
    return outcome.json()["advantages"][0].get<double>();
  };
  // One right answer of three.
  EXPECT_NEAR(advantage("rloo"), 1, 1e-6);
  EXPECT_NEAR(advantage("dr_grpo"), 2. / 3, 1e-6);
  for (const char* scaled : {"grpo", "dapo", "gspo", "cispo", "bnpo"}) {
    EXPECT_NEAR(advantage(scaled), 1.154698, 1e-5) << scaled;
  }
}

TEST_F(AhaModelTest, ExportChangesTheFormatAndImportRestoresIt) {
  const std::string fp32 = scratch_ / "fp32";
  const std::string bf16 = scratch_ / "bf16";
  Outcome outcome = Run("export " + model_ + " " + bf16 + " --dtype bf16");
  ASSERT_EQ(outcome.code, 0) << outcome.err;
  EXPECT_THAT(outcome.out, HasSubstr("next: aha-model generate " + bf16 +
                                     " --chat --prompt"));
  EXPECT_THAT(FileText(bf16 + "/config.json"), HasSubstr("bfloat16"));
  outcome = Run("import " + model_ + "/model.safetensors " + fp32 +
                " --dtype fp32 --output json");
  ASSERT_EQ(outcome.code, 0) << outcome.err;
  EXPECT_EQ(outcome.json()["weights_checksum"],
            Run("inspect " + model_ + " -o json").json()["weights_checksum"]);
  ExpectError("export " + model_ + " " + bf16, 5, "already exists");
}

TEST_F(AhaModelTest, AModelWithoutAChatTemplateCannotChat) {
  std::filesystem::remove(model_ + "/tokenizer_config.json");
  const std::string copy = scratch_ / "copy";
  const Outcome outcome = Run("export " + model_ + " " + copy);
  ASSERT_EQ(outcome.code, 0) << outcome.err;
  EXPECT_THAT(outcome.out,
              HasSubstr("next: aha-model generate " + copy + " --prompt"));
}

TEST_F(AhaModelTest, CertifySaysThatTheKernelsAreInvariant) {
  const Outcome outcome = Run("certify " + model_ + " -o json --threads 2");
  ASSERT_EQ(outcome.code, 0) << outcome.err;
  EXPECT_EQ(outcome.json()["digest"].get<std::string>().size(), 32u);
}

}  // namespace
}  // namespace aha
