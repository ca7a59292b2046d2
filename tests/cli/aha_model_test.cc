// The aha-model binary as a person runs it: output, errors, exit codes.
#include <sys/wait.h>

#include <algorithm>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <memory>
#include <string>
#include <vector>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_split.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "model/import.h"
#include "model/parameters.h"
#include "model/tokenizer.h"
#include "nlohmann/json.hpp"
#include "tests/model/golden_files.h"
#include "tests/model/tiny.h"

namespace aha {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::Not;
using Json = nlohmann::json;

struct Outcome {
  int code;
  std::string out;
  std::string err;

  Json json() const { return Json::parse(out, nullptr, false); }
  std::vector<Json> lines() const {
    std::vector<Json> lines;
    for (const absl::string_view line : absl::StrSplit(out, '\n')) {
      if (line.empty()) continue;
      lines.push_back(Json::parse(line.begin(), line.end(), nullptr, false));
    }
    return lines;
  }
};

constexpr char kChatMl[] =
    R"({"chat_template": "{% for message in messages %}{{ '<|im_start|>' +
message.role + '\n' + message.content + '<|im_end|>\n' }}{% endfor %}{% if
add_generation_prompt %}{{ '<|im_start|>assistant\n' }}{% endif %}"})";

class AhaModelTest : public ::testing::Test {
 protected:
  AhaModelTest() {
    const TokenizerFiles tokenizer = CharacterTokenizer();
    ModelConfig config = TinyConfig();
    config.vocab_size = tokenizer.vocab_size;
    std::string chat = kChatMl;
    std::replace(chat.begin(), chat.end(), '\n', ' ');  // Of the source.
    const ModelFiles files = {config,
                              RandomParameters(config, 7, DType::kF32),
                              tokenizer.tokenizer_json,
                              chat,
                              "",
                              ""};
    EXPECT_TRUE(WriteModel(files, model_).ok());
  }

  // `before`: environment variables, say.
  Outcome Run(const std::string& arguments,
              const std::string& before = "") const {
    const std::string command = absl::StrCat(
        before, " exec " AHA_BIN_DIR "/aha-model ", arguments, " >",
        scratch_ / "out", " 2>", scratch_ / "err", " </dev/null");
    const int status = std::system(command.c_str());
    return {WIFEXITED(status) ? WEXITSTATUS(status) : -1,
            FileText(scratch_ / "out"), FileText(scratch_ / "err")};
  }
  // An error is one line that begins with the program's name.
  void ExpectError(const std::string& arguments, int code,
                   const std::string& message) const {
    SCOPED_TRACE(arguments);
    const Outcome outcome = Run(arguments);
    EXPECT_EQ(outcome.code, code);
    EXPECT_EQ(outcome.out, "");
    EXPECT_THAT(outcome.err, HasSubstr(message));
    EXPECT_THAT(outcome.err, ::testing::StartsWith("aha-model: "));
    EXPECT_EQ(std::count(outcome.err.begin(), outcome.err.end(), '\n'), 1);
  }
  std::string File(const std::string& name, const std::string& text) const {
    scratch_.Write(name, text);
    return scratch_ / name;
  }

  const ScratchDirectory scratch_;
  const std::string model_ = scratch_ / "model";
};

TEST_F(AhaModelTest, HelpTeachesWithExamples) {
  for (const char* command : {"", "inspect", "import", "export", "tokenize",
                              "generate", "score", "loss", "certify"}) {
    const Outcome outcome = Run(absl::StrCat(command, " --help"));
    EXPECT_EQ(outcome.code, 0);
    EXPECT_THAT(outcome.out, HasSubstr("Examples:"));
    EXPECT_THAT(outcome.out, HasSubstr("aha-model"));
  }
}

TEST_F(AhaModelTest, WrongCallsAreUsageErrors) {
  ExpectError("", 2, "subcommand is required");
  ExpectError("frobnicate", 2, "frobnicate");
  ExpectError("inspect", 2, "DIR is required");
  ExpectError("inspect " + model_ + " --dtype fp8", 2, "fp8");
  ExpectError("inspect " + model_ + " -o xml", 2, "xml");
  ExpectError("generate " + model_, 2, "prompt");
  ExpectError("generate " + model_ + " --prompt a --top-p 2", 2, "--top-p");
  ExpectError("generate " + model_ + " --prompt a -n 0", 2, "-n");
  ExpectError("generate " + model_ + " --prompt ''", 2, "must not be empty");
  ExpectError("generate " + model_ + " --prompt \u00e9", 2,
              "vocabulary, which lacks");
  ExpectError("loss " + model_ + " --trajectories x --algorithm ppo", 2,
              "--algorithm: ");
  ExpectError(
      "loss " + model_ + " --trajectories x --algorithm grpo --set epsilom=1",
      2, "--set epsilom is not known");
  ExpectError(
      "loss " + model_ + " --trajectories x --algorithm grpo --set epsilon=x",
      2, "--set epsilon must be a number, got x");
}

TEST_F(AhaModelTest, AMisspeltOptionIsAnsweredWithTheNearest) {
  ExpectError("generate " + model_ + " --prompt a --outptu json", 2,
              "unknown option \"--outptu\"; did you mean \"--output\"? (see "
              "aha-model generate --help)");
  ExpectError("inspect " + model_ + " more", 2, "unexpected argument \"more\"");
}

TEST_F(AhaModelTest, HelpNamesValuesAsTheyAreTyped) {
  const std::string help = Run("import --help").out;
  EXPECT_THAT(help, HasSubstr("{text,json}=text"));
  EXPECT_THAT(help, Not(HasSubstr("ENUM")));
  EXPECT_THAT(help, HasSubstr("must be new or empty"));
  ExpectError("inspect " + model_ + " -o 1", 2, "1 not in {text,json}");
}

TEST_F(AhaModelTest, NumbersOutOfRangeAreRefusedByTheirFlag) {
  const std::string generate =
      "generate " + model_ + " --prompt a --max-new-tokens 1 ";
  for (const char* seed : {"-1", "99999999999999999999999", "1.5", "x"}) {
    ExpectError(absl::StrCat(generate, "--seed ", seed), 2,
                absl::StrCat("--seed: must be a whole number at least 0, got '",
                             seed, "'"));
  }
  for (const char* t : {"nan", "inf", "-1", "0.0005", "1001", "x"}) {
    ExpectError(absl::StrCat(generate, "--temperature ", t), 2,
                "--temperature: must be 0 or from 0.001 to 1000, got '");
    ExpectError(absl::StrCat("score ", model_, " --input - --temperature ", t),
                2, "--temperature: must be from 0.001 to 1000, got '");
  }
  ExpectError(generate + "--top-p nan", 2, "--top-p: must be from 1e-6 to 1");
  // What the engine takes.
  for (const char* good :
       {"--temperature 0", "--temperature 0.001", "--temperature 1000",
        "--top-p 1e-6", "--seed 9223372036854775807"}) {
    EXPECT_EQ(Run(generate + good).code, 0) << good;
  }
}

TEST_F(AhaModelTest, WhatIsNotThereIsNotFound) {
  for (const char* command :
       {"inspect /no/model", "tokenize /no/model --text a",
        "generate /no/model --prompt a", "score /no/model --input -",
        "certify /no/model", "export /no/model -o /tmp/x",
        "import /no/model -o /tmp/x"}) {
    ExpectError(command, 4, "/no/model: no such");
  }
  ExpectError("score " + model_ + " --input /no/file", 4,
              "/no/file: cannot be read");
}

TEST_F(AhaModelTest, InspectShowsTheModel) {
  const Outcome text = Run("inspect " + model_);
  EXPECT_EQ(text.code, 0) << text.err;
  EXPECT_THAT(text.out, HasSubstr("2 of 16, inner 40"));
  const Json json = Run("inspect " + model_ + " -o json").json();
  EXPECT_EQ(json["config"]["hidden_size"], 16);
  EXPECT_EQ(json["dtype"], "fp32");
  EXPECT_EQ(json["eos_tokens"], Json({"<eos>"}));
  EXPECT_EQ(json["chat_template"], "ChatML");
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
  // Control characters aside, which a terminal must not get.
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
    // Bit for bit: the promise.
    EXPECT_EQ(std::vector<float>(all.begin() + 3, all.end()), sampled);
  }
}

// Whatever pieces it is read in; also the last, which has no end.
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

TEST_F(AhaModelTest, BrokenInputLinesAreNamed) {
  const struct {
    const char* text;
    const char* message;
  } cases[] = {
      {"{\"token_ids\": [1]}\nnot json\n", "line 2: must be a JSON object"},
      {"{\"ids\": [1]}\n", "line 1: token_ids must be there"},
      {"{\"token_ids\": 1}\n", "line 1: token_ids must be an array, got 1"},
      {"{\"token_ids\": [1, -1]}\n", "line 1: token_ids[1] must be a token id"},
      {"{\"token_ids\": [1, 101]}\n", "line 1: token_ids[1] must be"},
      {"{\"token_ids\": [1.5]}\n", "line 1: token_ids[0] must be"},
      {"{\"token_ids\": []}\n", "line 1: token_ids must have 1 to 160"},
      {"", "in.jsonl: must have a line with a JSON object, got none"},
      {"\n \n\t\n", "in.jsonl: must have a line with a JSON object"},
  };
  for (const auto& test : cases) {
    ExpectError("score " + model_ + " --input " + File("in.jsonl", test.text),
                1, test.message);
  }
  ExpectError("generate " + model_ + " --prompts " +
                  File("p.jsonl", "{\"prompt\": \"a\"}\n{\"promt\": \"a\"}\n"),
              1, "p.jsonl: line 2: must have \"prompt\"");
}

// The JSON library copies and dumps by recursion, so depth must have a bound.
TEST_F(AhaModelTest, DeepJsonIsRefusedAndNeverShown) {
  const std::string open(100000, '['), close(100000, ']');
  const std::string deep = "{\"token_ids\": [1, 2], \"a\": " + open + close;
  std::string objects = "1";
  for (int i = 0; i < 60; ++i) objects = "{\"a\": " + objects + "}";
  const struct {
    std::string text;
    const char* message;
  } cases[] = {
      {deep + "}",
       "line 1: must be a JSON object: must be JSON nested at most"},
      {open, "line 1: must be a JSON object: must be JSON nested at most"},
      {"{\"token_ids\": " + objects + "}",
       "line 1: token_ids must be an array, got an object of 1"},
      {"{\"token_ids\": [1, [[2]]]}",
       "line 1: token_ids[1] must be a token id below 101, got an array of 1"},
      {"[1]", "line 1: must be a JSON object, got an array of 1"},
  };
  for (const auto& test : cases) {
    const std::string path = File("in.jsonl", test.text + "\n");
    ExpectError("score " + model_ + " --input " + path, 1, test.message);
  }
  ExpectError("loss " + model_ + " --algorithm grpo --trajectories " +
                  File("in.jsonl", deep + "}\n"),
              1, "nested at most");
  ExpectError(
      "generate " + model_ + " --prompts " + File("in.jsonl", deep + "}\n"), 1,
      "nested at most");
}

TEST_F(AhaModelTest, MessagesThatAreNoMessagesAreNamed) {
  const struct {
    const char* messages;
    const char* message;
  } cases[] = {
      {R"("hi")", "messages must be an array, got \"hi\""},
      {R"({"role": "user", "content": "hi"})",
       "messages must be an array, got an object of 2"},
      {R"([])", "messages must not be empty"},
      {R"(["hi"])", "messages[0] must be an object, got \"hi\""},
      {R"([{"role": "user"}])",
       "messages[0].content must be a string, got nothing"},
      {R"([{"role": "user", "content": "a"}, {"role": "user", "content": 7}])",
       "messages[1].content must be a string, got 7"},
      {R"([{"role": "user", "content": [{"type": "text", "text": "a"}]}])",
       "messages[0].content must be a string, got an array of 1"},
      {R"([{"role": null, "content": "a"}])",
       "messages[0].role must be a string, got null"},
  };
  for (const auto& test : cases) {
    ExpectError("generate " + model_ + " --prompts " +
                    File("p.jsonl",
                         absl::StrCat("{\"messages\": ", test.messages, "}\n")),
                1, absl::StrCat("p.jsonl: line 1: ", test.message));
  }
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
          " --algorithm dapo --set epsilon_high=0.28 --gradients " + gradients +
          " -o json");
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
  // Without its gradient the loss is the same.
  const Json alone = Run("loss " + model_ + " --trajectories " + trajectories +
                         " --algorithm dapo --set epsilon_high=0.28 -o json")
                         .json();
  EXPECT_EQ(alone["loss"], json["loss"]);
}

TEST_F(AhaModelTest, AGradientDoesNotReplaceAModelsWeights) {
  const std::string weights = model_ + "/model.safetensors";
  const std::string before = FileText(weights);
  std::filesystem::create_symlink(weights, scratch_ / "link");
  const std::string trajectories =
      File("t.jsonl",
           R"({"prompt_token_ids": [5], "token_ids": [6], "logprobs": [-1], )"
           R"("advantage": 1})");
  for (const std::string& path :
       {weights, model_ + "/new.safetensors", scratch_ / "link"}) {
    ExpectError("loss " + model_ + " --algorithm grpo --trajectories " +
                    trajectories + " --gradients " + path,
                2, "--gradients must be a file outside model directories");
    EXPECT_TRUE(FileText(weights) == before);
  }
}

TEST_F(AhaModelTest, LossRefusesTrajectoriesThatDoNotFit) {
  const std::string base = R"({"prompt_token_ids": [5], "token_ids": [6, 7], )";
  const std::string both =
      base + R"("logprobs": [-1, -1], "ref_logprobs": [-1, -1], )";
  const struct {
    std::string text;
    const char* message;
  } cases[] = {
      {base + R"("logprobs": [-1], "reward": 1, "group": 0})",
       "line 1: logprobs must have 2 numbers, got 1"},
      {base + R"("logprobs": [-1, "x"], "reward": 1, "group": 0})",
       "line 1: logprobs[1] must be a number"},
      {both + R"("reward": 1})", "line 1: must have \"group\""},
      {both + R"("reward": 1, "group": {"a": 1}})",
       "line 1: group must be a number or text, got an object of 1"},
      {both + R"("note": 1})", "line 1: must have \"advantage\""},
      {base + R"("logprobs": [-1, 0.5], "reward": 1, "group": 0})",
       "line 1: logprobs[1] must be finite and at most 0, got 0.5"},
      {base +
           R"("logprobs": [-1, -1], "ref_logprobs": [2, -1], "advantage": 1})",
       "line 1: ref_logprobs[0] must be finite and at most 0, got 2"},
      {base + R"("logprobs": [-1, -1], "advantage": 1})",
       "line 1: ref_logprobs must be there"},
      {both + R"("advantage": 1e300})",
       "line 1: advantage must be finite in fp32, got 1e+300"},
  };
  for (const auto& test : cases) {
    ExpectError("loss " + model_ +
                    " --algorithm grpo --set beta=0.1 --trajectories " +
                    File("t.jsonl", test.text + "\n"),
                1, test.message);
  }
}

TEST_F(AhaModelTest, ExportChangesTheFormatAndImportBringsItBack) {
  const std::string fp32 = scratch_ / "fp32";
  const std::string bf16 = scratch_ / "bf16";
  Outcome outcome = Run("export " + model_ + " -o " + bf16 + " --dtype bf16");
  ASSERT_EQ(outcome.code, 0) << outcome.err;
  EXPECT_THAT(outcome.out, HasSubstr("next: aha-model generate " + bf16 +
                                     " --chat --prompt"));
  EXPECT_THAT(FileText(bf16 + "/config.json"), HasSubstr("bfloat16"));
  outcome = Run("import " + model_ + "/model.safetensors -o " + fp32 +
                " --dtype fp32 --output json");
  ASSERT_EQ(outcome.code, 0) << outcome.err;
  EXPECT_EQ(outcome.json()["weights_checksum"],
            Run("inspect " + model_ + " -o json").json()["weights_checksum"]);
  ExpectError("export " + model_ + " -o " + bf16, 5, "is there already");
}

TEST_F(AhaModelTest, AModelWithoutChatsIsNotToChat) {
  std::filesystem::remove(model_ + "/tokenizer_config.json");
  const std::string copy = scratch_ / "copy";
  const Outcome outcome = Run("export " + model_ + " -o " + copy);
  ASSERT_EQ(outcome.code, 0) << outcome.err;
  EXPECT_THAT(outcome.out,
              HasSubstr("next: aha-model generate " + copy + " --prompt"));
}

TEST_F(AhaModelTest, CertifySaysThatTheKernelsAreInvariant) {
  const Outcome outcome = Run("certify " + model_ + " -o json --threads 2");
  ASSERT_EQ(outcome.code, 0) << outcome.err;
  EXPECT_EQ(outcome.json()["digest"].get<std::string>().size(), 32u);
}

// 78 would tell a supervisor not to start a service again.
TEST_F(AhaModelTest, AnUnknownInstructionSetIsAUsageError) {
  for (const std::string& command :
       {"certify " + model_, "score " + model_ + " --input /dev/null",
        "generate " + model_ + " --prompt a"}) {
    const Outcome outcome = Run(command, "AHA_CPU_ISA=foo");
    EXPECT_EQ(outcome.code, 2) << command;
    EXPECT_EQ(outcome.err,
              "aha-model: AHA_CPU_ISA must be avx2, avx512 or avx512_bf16, got "
              "foo\n");
  }
}

// The sizes of a config.json are taken for true once the weights have them.
TEST_F(AhaModelTest, CertifyBelievesNoConfigWithoutItsWeights) {
  ModelConfig config = TinyConfig();
  config.hidden_size = 65536;
  config.intermediate_size = 200000;
  std::ofstream(model_ + "/config.json") << config.ToJson();
  const Outcome outcome = Run("certify " + model_, "ulimit -v 4000000;");
  EXPECT_EQ(outcome.code, 1);
  EXPECT_THAT(outcome.err, HasSubstr("shape must be ["));
}

TEST_F(AhaModelTest, WhatDoesNotFitIntoMemoryIsOneClearLine) {
  ModelConfig config = TinyConfig();
  config.vocab_size = 1 << 24;
  config.hidden_size = 128;
  const std::string large = scratch_ / "large";
  std::filesystem::create_directory(large);
  std::ofstream(large + "/config.json") << config.ToJson();
  const Parameters shape = Parameters::Borrow(
      std::make_shared<const ParameterLayout>(config), DType::kF32, nullptr);
  const std::string header = SafetensorsHeader(shape);
  std::ofstream(large + "/model.safetensors") << header;
  // A hole: it takes no space on the disk.
  std::filesystem::resize_file(
      large + "/model.safetensors",
      header.size() + static_cast<uint64_t>(shape.bytes()));
  const Outcome outcome = Run("inspect " + large, "ulimit -v 2000000;");
  EXPECT_EQ(outcome.code, 1);
  EXPECT_THAT(outcome.err, HasSubstr("aha-model: out of memory"));
}

TEST_F(AhaModelTest, BrokenModelFilesAreOneClearLine) {
  const std::string weights = model_ + "/model.safetensors";
  const std::string whole = FileText(weights);
  const auto write = [](const std::string& path, const std::string& text) {
    std::ofstream(path, std::ios::binary) << text;
  };
  write(weights, whole.substr(0, whole.size() / 2));
  ExpectError("inspect " + model_, 1, "model.safetensors");
  ExpectError("generate " + model_ + " --prompt a", 1, "model.safetensors");
  write(weights, "");
  ExpectError("inspect " + model_, 1, "model.safetensors");
  write(weights, whole);

  const std::string config = FileText(model_ + "/config.json");
  write(model_ + "/config.json", "{\"model_type\": \"llama\"}");
  ExpectError("inspect " + model_, 1, "config.json: hidden_size");
  write(model_ + "/config.json", config);

  write(model_ + "/tokenizer.json", "{\"model\": 3}");
  ExpectError("inspect " + model_, 1, "tokenizer.json: model must be");
  std::filesystem::remove(model_ + "/tokenizer.json");
  ExpectError("inspect " + model_, 4, "/tokenizer.json: No such file");

  ExpectError(
      "import " + File("x.gguf", "GGUF....") + " -o " + (scratch_ / "y"), 1,
      "x.gguf: version");
  ExpectError("inspect " + File("plain", "x"), 1, "must be a model directory");
}

}  // namespace
}  // namespace aha
