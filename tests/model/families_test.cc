// What each family makes of a config.json, in the forms that are seen in the
// wild.
#include <string>
#include <vector>

#include "absl/strings/match.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "model/config.h"
#include "model/families/family.h"
#include "model/parameters.h"
#include "nlohmann/json.hpp"

namespace aha {
namespace {

using ::testing::HasSubstr;
using Json = nlohmann::json;

// Qwen2.5-0.5B-Instruct's config.json.
Json Qwen2Json() {
  return Json::parse(R"({
    "architectures": ["Qwen2ForCausalLM"], "attention_dropout": 0.0,
    "bos_token_id": 151643, "eos_token_id": 151645, "hidden_act": "silu",
    "hidden_size": 896, "initializer_range": 0.02, "intermediate_size": 4864,
    "max_position_embeddings": 32768, "max_window_layers": 21,
    "model_type": "qwen2", "num_attention_heads": 14, "num_hidden_layers": 24,
    "num_key_value_heads": 2, "rms_norm_eps": 1e-06, "rope_theta": 1000000.0,
    "sliding_window": 32768, "tie_word_embeddings": true,
    "torch_dtype": "bfloat16", "transformers_version": "4.43.1",
    "use_cache": true, "use_sliding_window": false, "vocab_size": 151936})");
}

// Qwen3-0.6B's.
Json Qwen3Json() {
  return Json::parse(R"({
    "architectures": ["Qwen3ForCausalLM"], "attention_bias": false,
    "attention_dropout": 0.0, "bos_token_id": 151643, "eos_token_id": 151645,
    "head_dim": 128, "hidden_act": "silu", "hidden_size": 1024,
    "initializer_range": 0.02, "intermediate_size": 3072,
    "max_position_embeddings": 40960, "max_window_layers": 28,
    "model_type": "qwen3", "num_attention_heads": 16, "num_hidden_layers": 28,
    "num_key_value_heads": 8, "rms_norm_eps": 1e-06, "rope_scaling": null,
    "rope_theta": 1000000, "sliding_window": null, "tie_word_embeddings": true,
    "torch_dtype": "bfloat16", "transformers_version": "4.51.0",
    "use_cache": true, "use_sliding_window": false, "vocab_size": 151936})");
}

// A small one with the fields that every family requires and no other.
Json BareJson(const std::string& model_type) {
  return {{"model_type", model_type},     {"hidden_size", 128},
          {"intermediate_size", 8},       {"num_hidden_layers", 1},
          {"num_attention_heads", 64},    {"vocab_size", 10},
          {"max_position_embeddings", 20}};
}

ModelConfig Read(const Json& json) {
  const auto config = ModelConfig::Parse(json.dump());
  EXPECT_TRUE(config.ok()) << config.status();
  return config.value_or(ModelConfig());
}

TEST(FamiliesTest, TheTableIsSortedAndFindsEachByItsModelType) {
  EXPECT_EQ(FamilyNames(), "llama, qwen2 or qwen3");
  for (const Family* family : Families()) {
    EXPECT_EQ(FindFamily(family->model_type), family);
  }
  EXPECT_EQ(FindFamily("qwen2_moe"), nullptr);
  EXPECT_EQ(FindFamily(""), nullptr);
}

TEST(FamiliesTest, AnUnknownModelTypeIsRefusedWithTheOnesThatAreKnown) {
  Json json = Qwen2Json();
  json["model_type"] = "gemma3";
  const absl::Status status = ModelConfig::Parse(json.dump()).status();
  EXPECT_EQ(status.code(), absl::StatusCode::kUnimplemented);
  EXPECT_EQ(status.message(),
            "config.json: model_type must be llama, qwen2 or qwen3, found "
            "\"gemma3\" (not supported)");
}

TEST(FamiliesTest, ReadsQwen25) {
  const ModelConfig config = Read(Qwen2Json());
  EXPECT_EQ(config.model_type, "qwen2");
  EXPECT_EQ(config.head_dim, 64);
  EXPECT_EQ(config.num_key_value_heads, 2);
  EXPECT_EQ(config.rope_theta, 1e6);
  EXPECT_TRUE(config.tie_word_embeddings);
  EXPECT_EQ(config.eos_token_ids, std::vector<int32_t>{151645});
  const ParameterLayout layout(config);
  EXPECT_EQ(layout.count(), 494'032'768);  // Its model card says 0.49B.
}

TEST(FamiliesTest, ReadsQwen3) {
  const ModelConfig config = Read(Qwen3Json());
  EXPECT_EQ(config.model_type, "qwen3");
  EXPECT_EQ(config.head_dim, 128);
  const ParameterLayout layout(config);
  EXPECT_EQ(layout.count(), 596'049'920);  // Its model card says 0.6B.
}

TEST(FamiliesTest, AConfigSurvivesARoundTrip) {
  for (const Json& json : {Qwen2Json(), Qwen3Json(), BareJson("llama")}) {
    const ModelConfig config = Read(json);
    const ModelConfig again = Read(Json::parse(config.ToJson()));
    EXPECT_EQ(again.ToJson(), config.ToJson());
    EXPECT_EQ(again.model_type, json["model_type"]);
  }
}

TEST(FamiliesTest, WritesTheArchitectureOfTheFamily) {
  const Json json = Json::parse(Read(Qwen3Json()).ToJson());
  EXPECT_EQ(json["architectures"], Json({"Qwen3ForCausalLM"}));
  EXPECT_EQ(json["model_type"], "qwen3");
  EXPECT_EQ(json["use_sliding_window"], false);
}

// The defaults of transformers' configuration classes.
TEST(FamiliesTest, AbsentFieldsAreWhatTransformersTakesForThem) {
  const ModelConfig llama = Read(BareJson("llama"));
  EXPECT_EQ(llama.num_key_value_heads, 64);
  EXPECT_EQ(llama.head_dim, 2);
  const ModelConfig qwen2 = Read(BareJson("qwen2"));
  EXPECT_EQ(qwen2.num_key_value_heads, 32);
  EXPECT_EQ(qwen2.head_dim, 2);
  const ModelConfig qwen3 = Read(BareJson("qwen3"));
  EXPECT_EQ(qwen3.num_key_value_heads, 32);
  EXPECT_EQ(qwen3.head_dim, 128);
  for (const ModelConfig& config : {llama, qwen2, qwen3}) {
    EXPECT_FALSE(config.tie_word_embeddings);
    EXPECT_EQ(config.rope_theta, 10000);
    EXPECT_EQ(config.rms_norm_eps, 1e-6);
  }
}

TEST(FamiliesTest, ReadsRotaryPositionsInEveryFormThatMeansTheDefault) {
  for (const char* model_type : {"llama", "qwen2", "qwen3"}) {
    const std::vector<Json> forms = {
        {{"rope_theta", 5e5}},
        {{"rope_theta", 5e5}, {"rope_scaling", nullptr}},
        {{"rope_theta", 5e5}, {"rope_scaling", {{"type", "default"}}}},
        {{"rope_theta", 5e5}, {"rope_scaling", {{"rope_type", "default"}}}},
        {{"rope_scaling", {{"type", "default"}, {"rope_theta", 5e5}}}},
        {{"rope_parameters", {{"rope_theta", 5e5}}}},
        {{"rope_parameters", {{"rope_theta", 5e5}, {"rope_type", "default"}}}}};
    for (const Json& form : forms) {
      Json json = BareJson(model_type);
      json.update(form);
      EXPECT_EQ(Read(json).rope_theta, 5e5) << json.dump();
    }
  }
}

TEST(FamiliesTest, ASlidingWindowThatIsSwitchedOffMeansNothing) {
  Json json = Qwen2Json();
  json["sliding_window"] = 131072;
  json["max_window_layers"] = 3;
  json["layer_types"] = {"full_attention", "full_attention"};
  EXPECT_EQ(Read(json).ToJson(), Read(Qwen2Json()).ToJson());
}

struct Refusal {
  std::string model_type;
  Json field;           // Replaces what the family's config.json has.
  std::string message;  // A part.
};

void PrintTo(const Refusal& refusal, std::ostream* out) {
  *out << refusal.model_type << " " << refusal.field.dump();
}

class RefusalTest : public testing::TestWithParam<Refusal> {};

TEST_P(RefusalTest, NamesTheFieldThatAsksForSomethingElse) {
  Json json = GetParam().model_type == "qwen2" ? Qwen2Json() : Qwen3Json();
  json.update(GetParam().field);
  const absl::Status status = ModelConfig::Parse(json.dump()).status();
  EXPECT_EQ(status.code(), absl::StatusCode::kUnimplemented) << status;
  EXPECT_THAT(std::string(status.message()), HasSubstr(GetParam().message));
}

INSTANTIATE_TEST_SUITE_P(
    Fields, RefusalTest,
    testing::Values(
        Refusal{"qwen2",
                {{"use_sliding_window", true}},
                "use_sliding_window must be false, found true"},
        Refusal{"qwen3",
                {{"use_sliding_window", true}},
                "use_sliding_window must be false, found true"},
        Refusal{"qwen2",
                {{"layer_types", {"full_attention", "sliding_attention"}}},
                "layer_types must all be \"full_attention\", found "
                "\"sliding_attention\""},
        Refusal{"qwen2", {{"use_mrope", true}}, "use_mrope must be false"},
        Refusal{"qwen3",
                {{"attention_bias", true}},
                "attention_bias must be false, found true"},
        Refusal{"qwen2",
                {{"rope_scaling", {{"type", "yarn"}, {"factor", 4.0}}}},
                "rope_scaling.type must be \"default\", found \"yarn\""},
        Refusal{"qwen3",
                {{"rope_scaling", {{"rope_type", "yarn"}}}},
                "rope_scaling.rope_type must be \"default\", found \"yarn\""},
        Refusal{"qwen3",
                {{"rope_parameters", {{"rope_type", "linear"}}}},
                "rope_parameters.rope_type must be \"default\""},
        Refusal{
            "qwen3",
            {{"rope_parameters", {{"full_attention", {{"rope_theta", 1e4}}}}}},
            "rope_parameters.\"full_attention\" must be a number"},
        Refusal{"qwen3",
                {{"partial_rotary_factor", 0.5}},
                "partial_rotary_factor must be 1.0, found 0.5"},
        Refusal{"qwen2",
                {{"quantization_config", {{"bits", 4}}}},
                "quantization_config must be null"},
        Refusal{"qwen2", {{"hidden_act", "gelu"}}, "hidden_act must be"}));

TEST(FamiliesTest, MalformedFieldsAreInvalid) {
  const std::vector<Json> malformed = {
      {{"rope_scaling", "yarn"}},          {{"rope_parameters", 3}},
      {{"layer_types", "full_attention"}}, {{"head_dim", 127}},
      {{"num_key_value_heads", 3}},        {{"tie_word_embeddings", 1}}};
  for (const Json& field : malformed) {
    Json json = Qwen3Json();
    json.update(field);
    const absl::Status status = ModelConfig::Parse(json.dump()).status();
    EXPECT_EQ(status.code(), absl::StatusCode::kInvalidArgument)
        << field.dump() << ": " << status;
    EXPECT_THAT(std::string(status.message()), HasSubstr(field.begin().key()));
  }
}

TEST(FamiliesTest, TheFrequenciesThatOldExportersStoredAreIgnored) {
  for (const Family* family : Families()) {
    EXPECT_TRUE(
        family->ignores("model.layers.0.self_attn.rotary_emb.inv_freq"));
    EXPECT_TRUE(family->ignores("model.rotary_emb.inv_freq"));
    EXPECT_FALSE(family->ignores("model.layers.0.self_attn.q_proj.bias"));
    EXPECT_FALSE(family->ignores("model.layers.0.self_attn.q_norm.weight"));
  }
}

}  // namespace
}  // namespace aha
