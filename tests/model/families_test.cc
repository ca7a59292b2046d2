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
#include "model/rope.h"
#include "nlohmann/json.hpp"
#include "tests/golden/golden_files.h"

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
  EXPECT_EQ(FamilyNames(),
            "gemma3_text, llama, mistral, mixtral, qwen2, qwen3 or qwen3_moe");
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
  EXPECT_EQ(
      status.message(),
      "config.json: model_type must be gemma3_text, llama, mistral, mixtral, "
      "qwen2, qwen3 or qwen3_moe, found \"gemma3\" (not supported)");
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
  EXPECT_EQ(Read(json).ToJson(), Read(Qwen2Json()).ToJson());
}

// Mistral-7B-v0.1's.
Json MistralJson() {
  return Json::parse(R"({
    "architectures": ["MistralForCausalLM"], "bos_token_id": 1,
    "eos_token_id": 2, "hidden_act": "silu", "hidden_size": 4096,
    "initializer_range": 0.02, "intermediate_size": 14336,
    "max_position_embeddings": 32768, "model_type": "mistral",
    "num_attention_heads": 32, "num_hidden_layers": 32,
    "num_key_value_heads": 8, "rms_norm_eps": 1e-05, "rope_theta": 10000.0,
    "sliding_window": 4096, "tie_word_embeddings": false,
    "torch_dtype": "bfloat16", "transformers_version": "4.34.0.dev0",
    "use_cache": true, "vocab_size": 32000})");
}

// Gemma 3 270M's, as transformers 4 wrote it.
Json Gemma3Json() {
  return Json::parse(R"({
    "_sliding_window_pattern": 6, "architectures": ["Gemma3ForCausalLM"],
    "attention_bias": false, "attention_dropout": 0.0,
    "attn_logit_softcapping": null, "bos_token_id": 2, "eos_token_id": 1,
    "final_logit_softcapping": null, "head_dim": 256,
    "hidden_activation": "gelu_pytorch_tanh", "hidden_size": 640,
    "initializer_range": 0.02, "intermediate_size": 2048,
    "max_position_embeddings": 32768, "model_type": "gemma3_text",
    "num_attention_heads": 4, "num_hidden_layers": 18,
    "num_key_value_heads": 1, "pad_token_id": 0, "query_pre_attn_scalar": 256,
    "rms_norm_eps": 1e-06, "rope_local_base_freq": 10000.0,
    "rope_scaling": null, "rope_theta": 1000000.0, "sliding_window": 512,
    "torch_dtype": "bfloat16", "transformers_version": "4.55.0.dev0",
    "use_bidirectional_attention": false, "use_cache": true,
    "vocab_size": 262144})");
}

TEST(FamiliesTest, ReadsMistralWithAWindowInEveryLayer) {
  const ModelConfig config = Read(MistralJson());
  EXPECT_EQ(config.sliding_window, 4096);
  EXPECT_EQ(config.sliding_layers, std::vector<bool>(32, true));
  EXPECT_EQ(config.head_dim, 128);
  EXPECT_EQ(ParameterLayout(config).count(), 7'241'732'096);  // "7B".
}

// As transformers reads them: absent means 4096.
TEST(FamiliesTest, ANullWindowOfMistralIsNoneAndAnAbsentOneIsNot) {
  Json json = MistralJson();
  json["sliding_window"] = nullptr;
  EXPECT_TRUE(Read(json).sliding_layers.empty());
  EXPECT_EQ(Read(json).sliding_window, 0);
  json.erase("sliding_window");
  EXPECT_EQ(Read(json).sliding_window, 4096);
}

TEST(FamiliesTest, ReadsGemma3WithEachSixthLayerSeeingEverything) {
  const ModelConfig config = Read(Gemma3Json());
  EXPECT_TRUE(config.tie_word_embeddings);  // Absent: the family's default.
  EXPECT_EQ(config.sliding_window, 512);
  ASSERT_EQ(config.sliding_layers.size(), 18u);
  for (size_t i = 0; i < 18; ++i) {
    EXPECT_EQ(config.sliding_layers[i], i % 6 != 5) << i;
  }
  EXPECT_EQ(config.rope_theta, 1e6);
  EXPECT_EQ(config.rope_local_base_freq, 1e4);
  EXPECT_EQ(config.query_pre_attn_scalar, 256);
  EXPECT_EQ(ParameterLayout(config).count(), 268'098'176);  // "270M".
}

TEST(FamiliesTest, ReadsGemmasPositionsAsTransformers5WritesThem) {
  Json json = Gemma3Json();
  for (const char* field :
       {"rope_theta", "rope_scaling", "rope_local_base_freq"}) {
    json.erase(field);
  }
  EXPECT_EQ(Read(json).rope_theta, 1e6);  // The family's default.
  json["rope_parameters"] = {
      {"full_attention",
       {{"rope_type", "linear"}, {"factor", 8.0}, {"rope_theta", 2e6}}},
      {"sliding_attention", {{"rope_type", "default"}, {"rope_theta", 3e4}}}};
  const ModelConfig config = Read(json);
  EXPECT_EQ(config.rope_theta, 2e6);
  EXPECT_EQ(config.rope_local_base_freq, 3e4);
  EXPECT_EQ(config.rope_scaling.type, RopeType::kLinear);
  EXPECT_EQ(config.rope_scaling.factor, 8);
}

TEST(FamiliesTest, QwensWindowBeginsAtMaxWindowLayersOrWhereLayerTypesSay) {
  Json json = Qwen2Json();
  json["use_sliding_window"] = true;
  ModelConfig config = Read(json);
  EXPECT_EQ(config.sliding_window, 32768);
  for (size_t i = 0; i < 24; ++i) {
    EXPECT_EQ(config.sliding_layers[i], i >= 21) << i;
  }
  json["layer_types"] = std::vector<std::string>(24, "full_attention");
  EXPECT_TRUE(Read(json).sliding_layers.empty());
  json["layer_types"][3] = "sliding_attention";
  config = Read(json);
  EXPECT_TRUE(config.sliding_layers[3]);
  EXPECT_FALSE(config.sliding_layers[22]);
}

TEST(FamiliesTest, EveryKindOfPositionsAndWindowSurvivesARoundTrip) {
  Json qwen = Qwen2Json();
  qwen["use_sliding_window"] = true;
  std::vector<Json> models = {MistralJson(), Gemma3Json(), qwen};
  const Json forms = Golden("rope.json")["forms"];
  for (const Json& form : forms) {
    models.push_back(form["config"]);
  }
  for (const Json& json : models) {
    const ModelConfig config = Read(json);
    const ModelConfig again = Read(Json::parse(config.ToJson()));
    EXPECT_EQ(again.ToJson(), config.ToJson());
    EXPECT_EQ(again.rope_scaling, config.rope_scaling);
    EXPECT_EQ(again.sliding_layers, config.sliding_layers);
    EXPECT_EQ(again.sliding_window, config.sliding_window);
    EXPECT_EQ(again.query_pre_attn_scalar, config.query_pre_attn_scalar);
  }
}

// transformers computes in fp32.
TEST(FamiliesTest, FrequenciesOfScaledPositionsAreTransformers) {
  const Json forms = Golden("rope.json")["forms"];
  for (const Json& form : forms) {
    const ModelConfig config = Read(form["config"]);
    const std::vector<double> want = form["frequencies"];
    const std::vector<double> got = RopeFrequencies(
        {.theta = config.rope_theta, .scaling = config.rope_scaling},
        config.head_dim);
    ASSERT_EQ(got.size(), want.size());
    for (size_t i = 0; i < got.size(); ++i) {
      EXPECT_NEAR(got[i], want[i], 2e-6 * want[i]) << form["config"] << i;
    }
    EXPECT_NEAR(config.rope_scaling.attention_factor,
                form["attention_factor"].get<double>(), 1e-9)
        << form["config"];
  }
}

// Beyond, the positions before a token would turn with what comes after it.
TEST(FamiliesTest, TheContextEndsWherePositionsTurnWithTheTotalLength) {
  Json json = BareJson("llama");
  json["max_position_embeddings"] = 64;
  EXPECT_EQ(Read(json).context(), 64);
  EXPECT_EQ(Read(json).ContextRule(), "max_position_embeddings");
  json["rope_scaling"] = {{"type", "dynamic"}, {"factor", 2.0}};
  EXPECT_EQ(Read(json).context(), 64);
  EXPECT_THAT(Read(json).ContextRule(), HasSubstr("dynamic"));
  json["rope_scaling"] = {{"type", "longrope"},
                          {"short_factor", {1.5}},
                          {"long_factor", {3.0}},
                          {"original_max_position_embeddings", 16}};
  EXPECT_EQ(Read(json).context(), 16);
  EXPECT_THAT(Read(json).ContextRule(), HasSubstr("longrope"));
  EXPECT_EQ(Json::parse(Read(json).ToJson())["max_position_embeddings"], 64);
}

TEST(FamiliesTest, ValuesInsideTheObjectGoBeforeThoseAtTheTop) {
  Json json = BareJson("llama");
  json["rope_theta"] = 1e4;
  json["rope_parameters"] = {
      {"rope_theta", 5e5}, {"type", "linear"}, {"factor", 2.0}};
  EXPECT_EQ(Read(json).rope_theta, 5e5);
  EXPECT_EQ(Read(json).rope_scaling.type, RopeType::kLinear);
  // An object rope_scaling goes before rope_parameters, unless it is empty.
  json["rope_scaling"] = Json::object();
  EXPECT_EQ(Read(json).rope_scaling.factor, 2);
  json["rope_scaling"] = {
      {"type", "linear"}, {"rope_type", "linear"}, {"factor", 3.0}};
  EXPECT_EQ(Read(json).rope_scaling.factor, 3);
  EXPECT_EQ(Read(json).rope_theta, 1e4);
}

struct Refusal {
  std::string model_type;
  Json field;           // Replaces what the family's config.json has.
  std::string message;  // A part.
};

// Qwen3-30B-A3B's.
Json Qwen3MoeJson() {
  return Json::parse(R"({
    "architectures": ["Qwen3MoeForCausalLM"], "attention_bias": false,
    "attention_dropout": 0.0, "bos_token_id": 151643, "decoder_sparse_step": 1,
    "eos_token_id": 151645, "head_dim": 128, "hidden_act": "silu",
    "hidden_size": 2048, "initializer_range": 0.02, "intermediate_size": 6144,
    "max_position_embeddings": 40960, "max_window_layers": 48,
    "mlp_only_layers": [], "model_type": "qwen3_moe",
    "moe_intermediate_size": 768, "norm_topk_prob": true,
    "num_attention_heads": 32, "num_experts": 128, "num_experts_per_tok": 8,
    "num_hidden_layers": 48, "num_key_value_heads": 4,
    "output_router_logits": false, "rms_norm_eps": 1e-06, "rope_scaling": null,
    "rope_theta": 1000000.0, "router_aux_loss_coef": 0.001,
    "sliding_window": null, "tie_word_embeddings": false,
    "torch_dtype": "bfloat16", "transformers_version": "4.51.0",
    "use_cache": true, "use_sliding_window": false, "vocab_size": 151936})");
}

// Mixtral-8x7B-v0.1's.
Json MixtralJson() {
  return Json::parse(R"({
    "architectures": ["MixtralForCausalLM"], "attention_dropout": 0.0,
    "bos_token_id": 1, "eos_token_id": 2, "hidden_act": "silu",
    "hidden_size": 4096, "initializer_range": 0.02, "intermediate_size": 14336,
    "max_position_embeddings": 32768, "model_type": "mixtral",
    "num_attention_heads": 32, "num_experts_per_tok": 2,
    "num_hidden_layers": 32, "num_key_value_heads": 8, "num_local_experts": 8,
    "output_router_logits": false, "rms_norm_eps": 1e-05,
    "rope_theta": 1000000.0, "router_aux_loss_coef": 0.02,
    "sliding_window": null, "tie_word_embeddings": false,
    "torch_dtype": "bfloat16", "transformers_version": "4.36.0.dev0",
    "use_cache": true, "vocab_size": 32000})");
}

TEST(FamiliesTest, ReadsQwen3Moe) {
  const ModelConfig config = Read(Qwen3MoeJson());
  EXPECT_EQ(config.num_experts, 128);
  EXPECT_EQ(config.num_experts_per_tok, 8);
  EXPECT_EQ(config.moe_intermediate_size, 768);
  EXPECT_TRUE(config.norm_topk_prob);
  EXPECT_EQ(config.sparse_layers, std::vector<bool>(48, true));
  const ParameterLayout layout(config);
  EXPECT_EQ(layout.count(), 30'532'122'624);        // "30B",
  EXPECT_EQ(layout.active_count(), 3'353'032'704);  // "A3B".
}

TEST(FamiliesTest, ReadsMixtral) {
  const ModelConfig config = Read(MixtralJson());
  EXPECT_EQ(config.num_experts, 8);
  EXPECT_EQ(config.moe_intermediate_size, 14336);
  EXPECT_TRUE(config.norm_topk_prob);
  EXPECT_TRUE(config.sliding_layers.empty());
  const ParameterLayout layout(config);
  EXPECT_EQ(layout.count(), 46'702'792'704);         // "47B",
  EXPECT_EQ(layout.active_count(), 12'879'925'248);  // of which 13B active.
  EXPECT_EQ(
      layout.Find("model.layers.3.block_sparse_moe.experts.7.w2.weight").shape,
      (std::vector<int64_t>{4096, 14336}));
}

TEST(FamiliesTest, ADenseModelIsActiveAsAWhole) {
  const ParameterLayout layout(Read(Qwen3Json()));
  EXPECT_EQ(layout.active_count(), layout.count());
}

// Layer i is sparse if i + 1 is a multiple of the step and the list does not
// name it.
TEST(FamiliesTest, DenseLayersOfQwen3MoeAreThoseThatTheStepAndTheListLeave) {
  Json json = Qwen3MoeJson();
  json["num_hidden_layers"] = 6;
  json["decoder_sparse_step"] = 2;
  json["mlp_only_layers"] = {3};
  const ModelConfig config = Read(json);
  EXPECT_EQ(config.sparse_layers,
            (std::vector<bool>{false, true, false, false, false, true}));
  const ParameterLayout layout(config);
  EXPECT_EQ(layout.Find("model.layers.0.mlp.gate_proj.weight").shape,
            (std::vector<int64_t>{6144, 2048}));
  EXPECT_EQ(layout.Find("model.layers.1.mlp.gate.weight").shape,
            (std::vector<int64_t>{128, 2048}));
  EXPECT_EQ(Read(Json::parse(config.ToJson())).sparse_layers,
            config.sparse_layers);
  json["num_experts"] = 0;
  EXPECT_TRUE(Read(json).sparse_layers.empty());
}

TEST(FamiliesTest, AWindowOfQwen3MoeIsThatOfEveryLayer) {
  Json json = Qwen3MoeJson();
  json["use_sliding_window"] = true;
  EXPECT_TRUE(Read(json).sliding_layers.empty());  // Its size is null.
  json["sliding_window"] = 512;
  json["max_window_layers"] = 3;
  const ModelConfig config = Read(json);
  EXPECT_EQ(config.sliding_window, 512);
  EXPECT_EQ(config.sliding_layers, std::vector<bool>(48, true));
  EXPECT_EQ(Read(Json::parse(config.ToJson())).ToJson(), config.ToJson());
}

TEST(FamiliesTest, SparseConfigsSurviveARoundTrip) {
  for (Json json : {Qwen3MoeJson(), MixtralJson()}) {
    const ModelConfig config = Read(json);
    const ModelConfig again = Read(Json::parse(config.ToJson()));
    EXPECT_EQ(again.ToJson(), config.ToJson());
    EXPECT_EQ(again.sparse_layers, config.sparse_layers);
    EXPECT_EQ(again.norm_topk_prob, config.norm_topk_prob);
    EXPECT_EQ(again.moe_intermediate_size, config.moe_intermediate_size);
  }
}

// The defaults of transformers' configuration classes.
TEST(FamiliesTest, AbsentFieldsOfExpertsAreWhatTransformersTakesForThem) {
  Json json = BareJson("qwen3_moe");
  const ModelConfig qwen = Read(json);
  EXPECT_EQ(qwen.num_experts, 128);
  EXPECT_EQ(qwen.num_experts_per_tok, 8);
  EXPECT_EQ(qwen.moe_intermediate_size, 768);
  EXPECT_FALSE(qwen.norm_topk_prob);
  EXPECT_EQ(qwen.num_key_value_heads, 4);
  const ModelConfig mixtral = Read(BareJson("mixtral"));
  EXPECT_EQ(mixtral.num_experts, 8);
  EXPECT_EQ(mixtral.num_experts_per_tok, 2);
  EXPECT_EQ(mixtral.num_key_value_heads, 8);
  EXPECT_EQ(mixtral.rms_norm_eps, 1e-5);
  EXPECT_EQ(mixtral.rope_theta, 1e6);
}

TEST(FamiliesTest, MalformedFieldsOfExpertsAreInvalid) {
  const std::vector<Json> malformed = {
      {{"num_experts", -1}},
      {{"num_experts", 2000}},
      {{"num_experts_per_tok", 0}},
      {{"num_experts_per_tok", 129}},
      {{"moe_intermediate_size", 0}},
      {{"decoder_sparse_step", 0}},
      {{"mlp_only_layers", 3}},
      {{"mlp_only_layers", {48}}},
      {{"mlp_only_layers", {"0"}}},
      {{"norm_topk_prob", 1}},
      {{"num_experts", 1024}, {"num_hidden_layers", 65}}};
  for (const Json& field : malformed) {
    Json json = Qwen3MoeJson();
    json.update(field);
    const absl::Status status = ModelConfig::Parse(json.dump()).status();
    EXPECT_EQ(status.code(), absl::StatusCode::kInvalidArgument)
        << field.dump() << ": " << status;
    EXPECT_THAT(std::string(status.message()), HasSubstr(field.begin().key()));
  }
  Json json = MixtralJson();
  json["num_hidden_layers"] = int64_t{1} << 60;
  EXPECT_EQ(ModelConfig::Parse(json.dump()).status().code(),
            absl::StatusCode::kInvalidArgument);
}

Json ExampleOf(const std::string& model_type) {
  if (model_type == "mixtral") return MixtralJson();
  if (model_type == "qwen3_moe") return Qwen3MoeJson();
  if (model_type == "gemma3_text") return Gemma3Json();
  if (model_type == "mistral") return MistralJson();
  return model_type == "qwen2" ? Qwen2Json() : Qwen3Json();
}

void PrintTo(const Refusal& refusal, std::ostream* out) {
  *out << refusal.model_type << " " << refusal.field.dump();
}

class RefusalTest : public testing::TestWithParam<Refusal> {};

TEST_P(RefusalTest, NamesTheFieldThatAsksForSomethingElse) {
  Json json = ExampleOf(GetParam().model_type);
  json.update(GetParam().field);
  const absl::Status status = ModelConfig::Parse(json.dump()).status();
  EXPECT_EQ(status.code(), absl::StatusCode::kUnimplemented) << status;
  EXPECT_THAT(std::string(status.message()), HasSubstr(GetParam().message));
}

INSTANTIATE_TEST_SUITE_P(
    Fields, RefusalTest,
    testing::Values(
        Refusal{"qwen2",
                {{"layer_types", {"full_attention", "sliding_attention"}}},
                "layer_types must all be \"full_attention\" without "
                "use_sliding_window, found \"sliding_attention\""},
        Refusal{"qwen2",
                {{"layer_types", {"linear_attention"}}},
                "layer_types must be of \"full_attention\" and "
                "\"sliding_attention\", found \"linear_attention\""},
        Refusal{"mistral",
                {{"layer_types", {"full_attention"}}},
                "layer_types must be null"},
        Refusal{"gemma3_text",
                {{"final_logit_softcapping", 30.0}},
                "final_logit_softcapping must be null, found 30.0"},
        Refusal{"gemma3_text",
                {{"attn_logit_softcapping", 50.0}},
                "attn_logit_softcapping must be null, found 50.0"},
        Refusal{"gemma3_text",
                {{"use_bidirectional_attention", true}},
                "use_bidirectional_attention must be false, found true"},
        Refusal{"gemma3_text",
                {{"hidden_activation", "gelu"}},
                "hidden_activation must be \"gelu_pytorch_tanh\", found "
                "\"gelu\""},
        Refusal{"gemma3_text",
                {{"rope_parameters", {{"rope_theta", 1e4}}}},
                "rope_parameters must have an object full_attention"},
        Refusal{"gemma3_text",
                {{"rope_parameters",
                  {{"sliding_attention",
                    {{"rope_type", "linear"}, {"factor", 2.0}}}}}},
                "rope_parameters.sliding_attention.rope_type must be "
                "\"default\", found \"linear\""},
        Refusal{"qwen3_moe",
                {{"output_router_logits", true}},
                "output_router_logits must be false, found true"},
        Refusal{"qwen3_moe",
                {{"shared_expert_intermediate_size", 512}},
                "shared_expert_intermediate_size must be null, found 512"},
        Refusal{"mixtral",
                {{"router_jitter_noise", 0.1}},
                "router_jitter_noise must be 0.0, found 0.1"},
        Refusal{"mixtral",
                {{"output_router_logits", true}},
                "output_router_logits must be false, found true"},
        Refusal{"qwen2", {{"use_mrope", true}}, "use_mrope must be false"},
        Refusal{"qwen3",
                {{"attention_bias", true}},
                "attention_bias must be false, found true"},
        Refusal{"qwen2",
                {{"rope_scaling", {{"type", "mrope"}, {"factor", 4.0}}}},
                "rope_scaling.type must be \"default\", \"linear\", "
                "\"dynamic\", \"llama3\", \"yarn\" or \"longrope\", found "
                "\"mrope\""},
        Refusal{"qwen3",
                {{"rope_scaling", {{"rope_type", "proportional"}}}},
                "rope_scaling.rope_type must be"},
        Refusal{"qwen3",
                {{"rope_scaling",
                  {{"type", "default"}, {"mrope_section", {1, 2}}}}},
                "rope_scaling.mrope_section must be null"},
        Refusal{"qwen3",
                {{"rope_parameters", {{"partial_rotary_factor", 0.25}}}},
                "rope_parameters.partial_rotary_factor must be 1.0"},
        Refusal{
            "qwen3",
            {{"rope_parameters", {{"full_attention", {{"rope_theta", 1e4}}}}}},
            "rope_parameters.full_attention must be absent"},
        Refusal{"qwen3",
                {{"partial_rotary_factor", 0.5}},
                "partial_rotary_factor must be 1.0, found 0.5"},
        Refusal{"qwen2",
                {{"quantization_config", {{"bits", 4}}}},
                "quantization_config must be null"},
        Refusal{"qwen2", {{"hidden_act", "gelu"}}, "hidden_act must be"}));

TEST(FamiliesTest, MalformedFieldsAreInvalid) {
  const std::vector<Json> malformed = {
      {{"layer_types", {"sliding_attention"}},
       {"sliding_window", 8},
       {"use_sliding_window", true}},
      {{"rope_scaling", {{"type", "yarn"}, {"factor", "4"}}}},
      {{"rope_scaling",
        {{"type", "longrope"},
         {"short_factor", {1, 2}},
         {"long_factor", {1, 2}}}}},
      {{"rope_scaling", "yarn"}},
      {{"rope_parameters", 3}},
      {{"layer_types", "full_attention"}},
      {{"head_dim", 127}},
      {{"num_key_value_heads", 3}},
      {{"tie_word_embeddings", 1}}};
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
