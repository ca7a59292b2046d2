#include "model/config.h"

#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "nlohmann/json.hpp"
#include "tests/golden/golden_files.h"
#include "tests/temp_dir.h"

namespace aha {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;
using Json = nlohmann::json;

// Returns the fields of SmolLM2-135M-Instruct's config.json.
Json SmolLm2Json() {
  return Json::parse(R"({
    "architectures": ["LlamaForCausalLM"], "attention_bias": false,
    "attention_dropout": 0.0, "bos_token_id": 1, "eos_token_id": 2,
    "hidden_act": "silu", "hidden_size": 576, "initializer_range": 0.041666666666666664,
    "intermediate_size": 1536, "is_llama_config": true,
    "max_position_embeddings": 8192, "mlp_bias": false, "model_type": "llama",
    "num_attention_heads": 9, "num_hidden_layers": 30, "num_key_value_heads": 3,
    "pad_token_id": 2, "pretraining_tp": 1, "rms_norm_eps": 1e-05,
    "rope_interleaved": false, "rope_scaling": null, "rope_theta": 100000,
    "tie_word_embeddings": true, "torch_dtype": "bfloat16",
    "transformers_version": "4.42.3", "use_cache": true, "vocab_size": 49152})");
}

TEST(ModelConfigTest, ReadsSmolLm2) {
  const auto config = ModelConfig::Parse(SmolLm2Json().dump());
  ASSERT_TRUE(config.ok()) << config.status();
  EXPECT_EQ(config->hidden_size, 576);
  EXPECT_EQ(config->head_dim, 64);
  EXPECT_EQ(config->num_key_value_heads, 3);
  EXPECT_EQ(config->vocab_size, 49152);
  EXPECT_EQ(config->rope_theta, 100000);
  EXPECT_EQ(config->bos_token_id, 1);
  EXPECT_TRUE(config->tie_word_embeddings);
  EXPECT_THAT(config->eos_token_ids, ElementsAre(2));
}

TEST(ModelConfigTest, SurvivesARoundTrip) {
  Json json = SmolLm2Json();
  json["eos_token_id"] = {2, 7};
  json["bos_token_id"] = nullptr;
  const auto config = ModelConfig::Parse(json.dump());
  ASSERT_TRUE(config.ok()) << config.status();
  const auto again = ModelConfig::Parse(config->ToJson());
  ASSERT_TRUE(again.ok()) << again.status();
  EXPECT_EQ(config->ToJson(), again->ToJson());
  EXPECT_EQ(again->bos_token_id, -1);
  EXPECT_EQ(again->rms_norm_eps, 1e-5);
  EXPECT_THAT(again->eos_token_ids, ElementsAre(2, 7));
}

TEST(ModelConfigTest, ReadsTheRopeParametersOfTransformers5) {
  Json json = SmolLm2Json();
  json.erase("rope_theta");
  json["rope_parameters"] = {{"rope_theta", 5e5}, {"rope_type", "default"}};
  const auto config = ModelConfig::Parse(json.dump());
  ASSERT_TRUE(config.ok()) << config.status();
  EXPECT_EQ(config->rope_theta, 5e5);
}

// generate() of transformers does the same.
TEST(ModelConfigTest, EndTokensOfBothFilesEndACompletion) {
  const TempDir scratch;
  scratch.Write("config.json", SmolLm2Json().dump());
  const auto ends = [&](const std::string& generation) {
    scratch.Write("generation_config.json", generation);
    const auto config = ModelConfig::Load(scratch / "");
    EXPECT_TRUE(config.ok()) << config.status();
    return config.ok() ? config->eos_token_ids : std::vector<int32_t>();
  };
  EXPECT_THAT(ends(""), ElementsAre(2));
  EXPECT_THAT(ends("{\"temperature\": 0.6}"), ElementsAre(2));
  EXPECT_THAT(ends("{\"eos_token_id\": 2}"), ElementsAre(2));
  EXPECT_THAT(ends("{\"eos_token_id\": [7, 2, 0]}"), ElementsAre(2, 7, 0));
}

TEST(ModelConfigTest, TheTokenizersEndIsThatOfAModelWhoseFilesNameNone) {
  const TempDir scratch;
  Json json = SmolLm2Json();
  json["eos_token_id"] = nullptr;
  scratch.Write("config.json", json.dump());
  const auto ends = [&](const std::string& tokenizer_config) {
    scratch.Write("tokenizer_config.json", tokenizer_config);
    const auto config = ModelConfig::Load(scratch / "");
    EXPECT_TRUE(config.ok()) << config.status();
    return config.ok() ? config->eos_token_ids : std::vector<int32_t>();
  };
  EXPECT_THAT(ends(R"({"eos_token": "<e>"})"), ElementsAre());
  EXPECT_THAT(ends(R"({"eos_token": {"content": "<e>"},
                       "added_tokens_decoder": {"7": {"content": "<e>"}}})"),
              ElementsAre(7));
  scratch.Write("tokenizer.json",
                R"({"added_tokens": [{"id": 8, "content": "<f>"}],
                    "model": {"vocab": {"<g>": 9}}})");
  EXPECT_THAT(ends(R"({"eos_token": "<f>"})"), ElementsAre(8));
  EXPECT_THAT(ends(R"({"eos_token": "<g>"})"), ElementsAre(9));
  EXPECT_THAT(ends(R"({"eos_token": "<h>"})"), ElementsAre());
  EXPECT_THAT(ends("no JSON"), ElementsAre());  // The tokenizer reports it.
  scratch.Write("generation_config.json", R"({"eos_token_id": 3})");
  EXPECT_THAT(ends(R"({"eos_token": "<f>"})"), ElementsAre(3));
}

TEST(ModelConfigTest, ABrokenGenerationConfigIsNamed) {
  const TempDir scratch;
  scratch.Write("config.json", SmolLm2Json().dump());
  for (const auto& [text, message] :
       {std::pair("{", "generation_config.json: not valid JSON"),
        std::pair("[]", "generation_config.json: must be a JSON object"),
        std::pair("{\"eos_token_id\": [2, \"x\"]}",
                  "generation_config.json: eos_token_id must be an integer"),
        std::pair("{\"eos_token_id\": 49152}",
                  "generation_config.json: eos_token_id must be below")}) {
    scratch.Write("generation_config.json", text);
    const absl::Status status = ModelConfig::Load(scratch / "").status();
    EXPECT_TRUE(absl::IsInvalidArgument(status)) << status;
    EXPECT_THAT(std::string(status.message()), HasSubstr(message));
  }
}

struct Bad {
  const char* field;
  Json value;
  absl::StatusCode code = absl::StatusCode::kInvalidArgument;
};

void PrintTo(const Bad& bad, std::ostream* out) {
  *out << bad.field << " = " << bad.value.dump();
}

class BadConfigTest : public testing::TestWithParam<Bad> {};

TEST_P(BadConfigTest, IsRefusedByName) {
  Json json = SmolLm2Json();
  json[GetParam().field] = GetParam().value;
  const auto config = ModelConfig::Parse(json.dump());
  ASSERT_FALSE(config.ok());
  EXPECT_EQ(config.status().code(), GetParam().code) << config.status();
  EXPECT_THAT(std::string(config.status().message()),
              HasSubstr(GetParam().field));
}

constexpr auto kNotSupported = absl::StatusCode::kUnimplemented;

INSTANTIATE_TEST_SUITE_P(
    Fields, BadConfigTest,
    testing::Values(
        Bad{"model_type", "gpt2", kNotSupported}, Bad{"model_type", nullptr},
        Bad{"hidden_act", "gelu", kNotSupported},
        Bad{"attention_bias", true, kNotSupported},
        Bad{"mlp_bias", true, kNotSupported},
        Bad{"rope_interleaved", true, kNotSupported},
        Bad{"rope_scaling", {{"type", "su"}}, kNotSupported},
        Bad{"rope_scaling", {{"type", "linear"}}},
        Bad{"rope_scaling", {{"type", "linear"}, {"factor", "4"}}},
        Bad{"rope_scaling", {{"type", "linear"}, {"factor", 0}}},
        Bad{"quantization_config", Json::object(), kNotSupported},
        Bad{"rope_parameters", {{"rope_type", "llama3"}}},
        Bad{"rope_parameters",
            {{"rope_type", "llama3"},
             {"factor", 8},
             {"low_freq_factor", 4},
             {"high_freq_factor", 1}}},
        Bad{"rope_parameters", {{"rope_type", 3}}, kNotSupported},
        Bad{"rope_parameters", 3}, Bad{"hidden_size", nullptr},
        Bad{"hidden_size", "576"}, Bad{"hidden_size", 576.5},
        Bad{"hidden_size", -576}, Bad{"hidden_size", 577},
        Bad{"hidden_size", int64_t{9} << 40},
        Bad{"hidden_size", 18446744073709551615u},
        Bad{"num_attention_heads", 0}, Bad{"num_key_value_heads", 4},
        Bad{"num_key_value_heads", 0}, Bad{"num_hidden_layers", 1 << 30},
        Bad{"head_dim", 63}, Bad{"vocab_size", 1}, Bad{"vocab_size", 1 << 30},
        Bad{"max_position_embeddings", 0}, Bad{"rms_norm_eps", 0},
        Bad{"rms_norm_eps", true}, Bad{"rope_theta", -1},
        Bad{"tie_word_embeddings", 1}, Bad{"eos_token_id", 49152},
        Bad{"eos_token_id", -1}, Bad{"eos_token_id", {2, "x"}},
        Bad{"bos_token_id", 1.5}));

TEST(ModelConfigTest, BoundsTheProductOfItsSizes) {
  Json json = SmolLm2Json();
  json["hidden_size"] = 65536;
  json["head_dim"] = 1024;
  json["intermediate_size"] = 1 << 18;
  json["num_hidden_layers"] = 1024;
  json["vocab_size"] = 1 << 24;
  const auto config = ModelConfig::Parse(json.dump());
  ASSERT_FALSE(config.ok());
  EXPECT_THAT(std::string(config.status().message()), HasSubstr("parameters"));
}

TEST(ModelConfigTest, BoundsTheTableOfRotations) {
  Json json = SmolLm2Json();
  json["max_position_embeddings"] = 1 << 20;
  EXPECT_TRUE(ModelConfig::Parse(json.dump()).ok());
  json["head_dim"] = 66;
  const auto config = ModelConfig::Parse(json.dump());
  ASSERT_FALSE(config.ok());
  EXPECT_EQ(config.status().message(),
            "config.json: max_position_embeddings times head_dim must be at "
            "most 67108864, found 1048576 and 66");
}

TEST(ModelConfigTest, RefusesWhatIsNotAnObject) {
  for (const std::string& text :
       {std::string(""), std::string("[1]"), std::string("{"),
        std::string("{}"), std::string(500'000, '['),
        "{\"eos_token_id\":" + std::string(500'000, '[') + "}",
        std::string(2 << 20, ' ')}) {
    EXPECT_FALSE(ModelConfig::Parse(text).ok()) << text.substr(0, 20);
  }
}

// The JSON parser does not recurse, and neither may our code.
TEST(ModelConfigTest, SurvivesDeepNesting) {
  std::string text = SmolLm2Json().dump();
  text.pop_back();
  text += ",\"eos_token_id\":" + std::string(400'000, '[') +
          std::string(400'000, ']') + "}";
  EXPECT_FALSE(ModelConfig::Parse(text).ok());
}

TEST(ModelConfigTest, NamesADirectoryWithoutConfig) {
  const auto config = ModelConfig::Load("/nonexistent");
  EXPECT_EQ(config.status().code(), absl::StatusCode::kNotFound);
  EXPECT_THAT(std::string(config.status().message()),
              HasSubstr("/nonexistent/config.json"));
}

}  // namespace
}  // namespace aha
