// aha-model refuses wrong input with one clear line and the right exit code.
#include <filesystem>
#include <fstream>
#include <memory>
#include <string>

#include "absl/strings/str_cat.h"
#include "model/parameters.h"
#include "tests/tools/aha_model_fixture.h"

namespace aha {
namespace {

using ::testing::HasSubstr;

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

TEST_F(AhaModelTest, NumbersOutOfRangeAreRefusedByTheirFlag) {
  const std::string generate =
      "generate " + model_ + " --prompt a --max-new-tokens 1 ";
  for (const char* seed : {"-1", "99999999999999999999999", "1.5", "x"}) {
    ExpectError(absl::StrCat(generate, "--seed ", seed), 2,
                absl::StrCat("--seed: must be a whole number from 0 to "
                             "18446744073709551615, got '",
                             seed, "'"));
  }
  for (const char* t : {"nan", "inf", "-1", "0.0005", "1001", "x"}) {
    ExpectError(absl::StrCat(generate, "--temperature ", t), 2,
                "--temperature: must be 0 or from 0.001 to 1000, got '");
    ExpectError(absl::StrCat("score ", model_, " --input - --temperature ", t),
                2, "--temperature: must be from 0.001 to 1000, got '");
  }
  ExpectError(generate + "--top-p nan", 2, "--top-p: must be from 1e-6 to 1");
  // The engine accepts these values.
  for (const char* good :
       {"--temperature 0", "--temperature 0.001", "--temperature 1000",
        "--top-p 1e-6", "--seed 18446744073709551615"}) {
    EXPECT_EQ(Run(generate + good).code, 0) << good;
  }
}

TEST_F(AhaModelTest, MissingFilesAreNotFound) {
  for (const char* command :
       {"inspect /no/model", "tokenize /no/model --text a",
        "generate /no/model --prompt a", "score /no/model --input -",
        "certify /no/model", "export /no/model /tmp/x",
        "import /no/model /tmp/x"}) {
    ExpectError(command, 4, "/no/model: no such");
  }
  ExpectError("score " + model_ + " --input /no/file", 4,
              "/no/file: cannot be read: No such file");
  ExpectError("score " + model_ + " --input /", 1,
              "/ must be a file, is a directory");
}

TEST_F(AhaModelTest, BrokenInputLinesAreNamed) {
  const struct {
    const char* text;
    const char* message;
  } cases[] = {
      {"{\"token_ids\": [1]}\nnot json\n", "line 2: must be a JSON object"},
      {"{\"ids\": [1]}\n", "line 1: token_ids is missing"},
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

TEST_F(AhaModelTest, LostOutputIsAnError) {
  const std::string input = File("in.jsonl", "{\"token_ids\": [1, 2, 3]}\n");
  for (const std::string& command :
       {"score " + model_ + " --input " + input,
        "generate " + model_ + " --prompt a --max-new-tokens 3 -o json",
        "generate " + model_ + " --prompt a --max-new-tokens 3",
        "inspect " + model_, "tokenize " + model_ + " --text a"}) {
    SCOPED_TRACE(command);
    const Outcome outcome =
        RunShell("exec " AHA_BIN_DIR "/aha-model " + command + " >/dev/full");
    EXPECT_EQ(outcome.code, 1);
    EXPECT_THAT(outcome.err, HasSubstr("aha-model: stdout: "));
    EXPECT_THAT(outcome.err, HasSubstr("No space left on device"));
  }
}

// The JSON library copies and dumps recursively, so depth must be bounded.
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

TEST_F(AhaModelTest, MalformedMessagesAreNamed) {
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
  ExpectError("loss " + model_ + " --algorithm grpo --trajectories " +
                  trajectories + " --gradients " + trajectories,
              2, "--gradients must be another file than --trajectories");
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
       "line 1: ref_logprobs is missing"},
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

// Exit code 78 would ask a supervisor not to restart a service.
TEST_F(AhaModelTest, AnUnknownInstructionSetIsAUsageError) {
  for (const std::string& command :
       {"certify " + model_, "score " + model_ + " --input /dev/null",
        "generate " + model_ + " --prompt a"}) {
    const Outcome outcome = Run(command, "AHA_CPU_ISA=foo");
    EXPECT_EQ(outcome.code, 2) << command;
    EXPECT_EQ(outcome.err,
              "aha-model: AHA_CPU_ISA must be avx2, avx512, avx512_bf16 or "
              "emulated_avx512_bf16, got foo\n");
  }
}

// AddressSanitizer reserves more address space than such a limit allows.
#ifdef __SANITIZE_ADDRESS__
#define AHA_SKIP_UNDER_ASAN() GTEST_SKIP() << "no ulimit -v under ASan"
#else
#define AHA_SKIP_UNDER_ASAN()
#endif

// The sizes in a config.json are trusted only if the weights have them.
TEST_F(AhaModelTest, CertifyTrustsNoConfigWithoutItsWeights) {
  AHA_SKIP_UNDER_ASAN();
  ModelConfig config = TinyConfig();
  config.hidden_size = 32768;
  config.intermediate_size = 200000;
  std::ofstream(model_ + "/config.json") << config.ToJson();
  const Outcome outcome = Run("certify " + model_, "ulimit -v 4000000;");
  EXPECT_EQ(outcome.code, 1);
  EXPECT_THAT(outcome.err, HasSubstr("shape must be ["));
}

TEST_F(AhaModelTest, WhatDoesNotFitIntoMemoryIsOneClearLine) {
  AHA_SKIP_UNDER_ASAN();
  ModelConfig config = TinyConfig();
  config.vocab_size = 1 << 24;
  config.hidden_size = 128;
  const std::string large = scratch_ / "large";
  std::filesystem::create_directory(large);
  std::ofstream(large + "/config.json") << config.ToJson();
  std::filesystem::copy(model_ + "/tokenizer.json", large);
  const Parameters shape = Parameters::Borrow(
      std::make_shared<const ParameterLayout>(config), DType::kF32, nullptr);
  const std::string header = SafetensorsHeader(shape);
  std::ofstream(large + "/model.safetensors") << header;
  // The file has a hole, which takes no space on the disk.
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

  ExpectError("import " + File("x.gguf", "GGUF....") + " " + (scratch_ / "y"),
              1, "x.gguf: version");
  ExpectError("inspect " + File("plain", "x"), 1, "must be a model directory");
}

}  // namespace
}  // namespace aha
