// One job, one checksum, for a model of each family beside Llama: a tiny job of
// SFT and GRPO on a random model directory through all four services.
#include <string>
#include <vector>

#include "absl/strings/str_cat.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "model/formats/import.h"
#include "tests/integration/local_cluster.h"
#include "tests/integration/outcome.h"
#include "tests/temp_dir.h"
#include "text/tokenizer.h"

namespace aha::testing {
namespace {

// A random model directory of this family: one head for keys and values, for
// Qwen3 a head_dim of its own, and for sparse models five experts.
std::string WriteRandomModel(const TempDir& scratch,
                             const std::string& model_type) {
  const TokenizerFiles tokenizer = CharacterTokenizer();
  ModelConfig config;
  config.model_type = model_type;
  config.hidden_size = 48;
  config.intermediate_size = 80;
  config.num_hidden_layers = 2;
  config.num_attention_heads = 4;
  config.num_key_value_heads = 1;
  config.head_dim = model_type == "qwen3" ? 20 : 12;
  // Shorter than a prompt with its completion.
  config.sliding_window = 16;
  if (model_type == "mistral") config.sliding_layers = {true, true};
  if (model_type == "gemma3_text") config.sliding_layers = {true, false};
  if (config.sliding_layers.empty()) config.sliding_window = 0;
  if (model_type == "mixtral" || model_type == "qwen3_moe") {
    config.num_experts = 5;
    config.num_experts_per_tok = 2;
    config.moe_intermediate_size = model_type == "mixtral" ? 80 : 40;
    config.sparse_layers = {true, true};
  }
  config.vocab_size = tokenizer.vocab_size;
  config.max_position_embeddings = 80;
  config.tie_word_embeddings =
      model_type == "qwen2" || model_type == "gemma3_text";
  config.eos_token_ids = {tokenizer.eos_token_id};
  config.initializer_range = 0.1;
  const ModelFiles files = {config,
                            RandomParameters(config, 5, DType::kF32),
                            tokenizer.tokenizer_json,
                            tokenizer.tokenizer_config_json,
                            "",
                            ""};
  const std::string directory = scratch / "model";
  EXPECT_TRUE(WriteModel(files, directory).ok());
  return directory;
}

class ModelFamiliesTest : public ::testing::TestWithParam<const char*> {
 protected:
  std::string WriteJob() const {
    return scratch_.Write(
        "job.yaml", absl::StrCat(R"(name: family
seed: 3
model: {path: )",
                                 WriteRandomModel(scratch_, GetParam()), R"(}
prompts: {max_prompt_length: 56,
          generated: {min_operations: 1, max_operations: 2}}
rewards: [{type: contains}]
sampling: {max_completion_length: 24}
stages: [{name: sft, type: sft,
          sft: {steps: 2, documents_per_step: 8, documents_per_micro_batch: 4,
                optimizer: {learning_rate: 2e-3}}},
         {name: grpo, type: grpo,
          grpo: {steps: 3, prompts_per_step: 4, num_generations: 6,
                 beta: 0.05, optimizer: {learning_rate: 2e-3}}}]
)"));
  }

  Outcome Run(const std::string& job, const std::string& name,
              const std::vector<std::string>& arguments) const {
    LocalCluster cluster(job, scratch_ / name, arguments);
    return Finish(cluster);
  }

  const TempDir scratch_;
};

INSTANTIATE_TEST_SUITE_P(Families, ModelFamiliesTest,
                         ::testing::Values("gemma3_text", "mistral", "mixtral",
                                           "qwen2", "qwen3", "qwen3_moe"),
                         [](const auto& info) {
                           return std::string(info.param);
                         });

TEST_P(ModelFamiliesTest, OneAndTwoActorsGiveOneChecksum) {
  const std::string job = WriteJob();
  const Outcome one = Run(job, "one", {});
  const Outcome two = Run(job, "two", {"--actors", "2"});
  ExpectSucceeded(one);
  ExpectSame(two, one);
  EXPECT_GT(one.summary["exact"]["tokens_compared"], 0);
  EXPECT_EQ(one.summary["exact"]["tokens_differing"], 0);
  // It trained: another seed has other weights.
  const Outcome other = Run(job, "other", {"--set", "seed=4"});
  ExpectSucceeded(other);
  EXPECT_NE(other.weights, one.weights);
}

// The last checkpoint's model is one of the family that others can read.
TEST_P(ModelFamiliesTest, ACheckpointIsAModelDirectoryOfTheFamily) {
  const Outcome outcome = Run(WriteJob(), "run", {});
  ExpectSucceeded(outcome);
  const absl::StatusOr<ModelFiles> files =
      ReadModel(scratch_ / "run/checkpoints/step-000003/model", DType::kF32);
  ASSERT_TRUE(files.ok()) << files.status();
  EXPECT_EQ(files->config.model_type, GetParam());
}

}  // namespace
}  // namespace aha::testing
