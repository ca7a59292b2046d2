// Tests every command of aha-model on a model of each family.
#include <string>
#include <vector>

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "tests/tools/aha_model_fixture.h"

namespace aha {
namespace {

using ::testing::HasSubstr;
using Json = nlohmann::json;

class AhaModelFamiliesTest : public AhaModelTest,
                             public ::testing::WithParamInterface<const char*> {
 protected:
  AhaModelFamiliesTest() {
    const TokenizerFiles tokenizer = CharacterTokenizer();
    ModelConfig config = TinyConfigOf(GetParam());
    config.vocab_size = tokenizer.vocab_size;
    config.eos_token_ids = {tokenizer.eos_token_id};
    const ModelFiles files = {config,
                              TinyParameters(config, 7, DType::kF32),
                              tokenizer.tokenizer_json,
                              tokenizer.tokenizer_config_json,
                              "",
                              ""};
    EXPECT_TRUE(WriteModel(files, directory_).ok());
  }

  const std::string directory_ = scratch_ / "family";
};

INSTANTIATE_TEST_SUITE_P(Families, AhaModelFamiliesTest,
                         ::testing::Values("qwen2", "qwen3", "qwen3_moe"),
                         [](const auto& info) {
                           return std::string(info.param);
                         });

TEST_P(AhaModelFamiliesTest, InspectNamesTheFamily) {
  EXPECT_THAT(Run("inspect " + directory_).out,
              HasSubstr(absl::StrCat("family             ", GetParam())));
  const Json json = Run("inspect " + directory_ + " -o json").json();
  EXPECT_EQ(json["config"]["model_type"], GetParam());
}

TEST_P(AhaModelFamiliesTest, InspectSaysHowManyParametersATokenUses) {
  const auto config = ModelConfig::Load(directory_);
  ASSERT_TRUE(config.ok()) << config.status();
  const bool sparse = !config->sparse_layers.empty();
  const std::string text = Run("inspect " + directory_).out;
  EXPECT_EQ(absl::StrContains(text, "parameters for a token"), sparse) << text;
  EXPECT_EQ(absl::StrContains(text, "2 of 5, inner 24, in 1 layers"), sparse)
      << text;
  const Json json = Run("inspect " + directory_ + " -o json").json();
  const int64_t idle = sparse ? 3 * 3 * config->hidden_size * 24 : 0;
  EXPECT_EQ(json["parameters"].get<int64_t>() - idle,
            json["active_parameters"].get<int64_t>());
}

TEST_P(AhaModelFamiliesTest, CertifyGivesOneDigestForAnyThreads) {
  const Outcome one = Run("certify " + directory_ + " --threads 1 -o json");
  ASSERT_EQ(one.code, 0) << one.err;
  EXPECT_EQ(
      one.json()["digest"],
      Run("certify " + directory_ + " --threads 3 -o json").json()["digest"]);
}

TEST_P(AhaModelFamiliesTest, ScoreFindsTheBitsOfGenerate) {
  const std::vector<Json> generated =
      Run("generate " + directory_ +
          " --prompt '3+5?' -n 2 --max-new-tokens 9 -o json")
          .lines();
  ASSERT_EQ(generated.size(), 2u);
  for (const Json& sample : generated) {
    std::vector<int32_t> tokens = sample["prompt_token_ids"];
    const size_t prompt = tokens.size();
    const std::vector<int32_t> completion = sample["token_ids"];
    tokens.insert(tokens.end(), completion.begin(), completion.end());
    const Outcome scored =
        Run("score " + directory_ + " --input " +
            File("in.jsonl", Json{{"token_ids", tokens}}.dump() + "\n"));
    ASSERT_EQ(scored.code, 0) << scored.err;
    const std::vector<float> logprobs = scored.lines()[0]["logprobs"];
    EXPECT_EQ(std::vector<float>(logprobs.begin() + prompt - 1, logprobs.end()),
              sample["logprobs"].get<std::vector<float>>());
  }
}

TEST_P(AhaModelFamiliesTest, LossWritesAGradientOfEveryTensor) {
  const std::string trajectories = File(
      "t.jsonl", R"({"prompt_token_ids": [5, 6, 7], "token_ids": [8, 9, 10], )"
                 R"("logprobs": [-3, -3, -3], "advantage": 1})"
                 "\n");
  const std::string gradients = scratch_ / "g.safetensors";
  const Outcome outcome = Run("loss " + directory_ + " --trajectories " +
                              trajectories + " --algorithm grpo --gradients " +
                              gradients + " --set epsilon_high=50 -o json");
  ASSERT_EQ(outcome.code, 0) << outcome.err;
  const auto config = ModelConfig::Load(directory_);
  const auto read = ReadSafetensors(gradients, *config, DType::kF32);
  ASSERT_TRUE(read.ok()) << read.status();
  bool of_an_expert = false;
  for (const TensorInfo& info : read->layout().tensors()) {
    double largest = 0;
    for (int64_t i = 0; i < info.count; ++i) {
      largest =
          std::max(largest, std::abs(double{LoadElement(
                                read->data(), info.offset + i, DType::kF32)}));
    }
    // So few tokens need not reach every expert.
    if (absl::StrContains(info.name, ".experts.")) {
      of_an_expert |= largest > 0;
      continue;
    }
    EXPECT_GT(largest, 0) << info.name;
  }
  EXPECT_EQ(of_an_expert, !config->sparse_layers.empty());
}

TEST_P(AhaModelFamiliesTest, ExportAndImportGiveTheSameBytesBack) {
  const std::string exported = scratch_ / "exported";
  const std::string imported = scratch_ / "imported";
  Outcome outcome =
      Run("export " + directory_ + " " + exported + " --dtype fp32");
  ASSERT_EQ(outcome.code, 0) << outcome.err;
  outcome = Run("import " + exported + " " + imported + " --dtype fp32");
  ASSERT_EQ(outcome.code, 0) << outcome.err;
  for (const char* file :
       {"/config.json", "/model.safetensors", "/tokenizer.json"}) {
    EXPECT_EQ(FileText(imported + file), FileText(directory_ + file)) << file;
  }
}

TEST_F(AhaModelTest, AFamilyThatAhaDoesNotRunIsRefusedByName) {
  Json config = Json::parse(FileText(model_ + "/config.json"));
  config["model_type"] = "gpt_neox";
  scratch_.Write("model/config.json", config.dump());
  ExpectError("inspect " + model_, 1,
              "model_type must be gemma3_text, llama, mistral, mixtral, qwen2, "
              "qwen3 or qwen3_moe, found \"gpt_neox\"");
}

}  // namespace
}  // namespace aha
