// Gemma 3 (Gemma Team 2025), the text models: embeddings times
// sqrt(hidden_size), GeGLU, norms before and after each block whose stored
// gains are the gains less 1, an RMSNorm of each query and key head, and layers
// with a window, which turn by a base of their own, between layers that see
// every position.
#include "model/families/gemma3.h"

#include <cmath>

#include "base/status.h"
#include "model/families/dense.h"
#include "nlohmann/json.hpp"

namespace aha {
namespace {

absl::Status RefuseOtherGemma(const ConfigJson& json) {
  AHA_RETURN_IF_ERROR(json.RequireEqual("attention_bias", false));
  AHA_RETURN_IF_ERROR(json.RequireEqual("use_bidirectional_attention", false));
  AHA_RETURN_IF_ERROR(json.RequireAbsent("attn_logit_softcapping"));
  return json.RequireAbsent("final_logit_softcapping");
}

absl::Status ReadGemma3(const ConfigJson& json, ModelConfig* config) {
  AHA_RETURN_IF_ERROR(RefuseOtherGemma(json));
  config->tie_word_embeddings = true;
  config->rope_theta = 1e6;
  config->rope_local_base_freq = 1e4;
  AHA_RETURN_IF_ERROR(ReadDense(json,
                                {.num_key_value_heads = 4,
                                 .head_dim = 256,
                                 .activation_field = "hidden_activation",
                                 .activation = "gelu_pytorch_tanh",
                                 .rope_by_layer = true},
                                config));
  config->query_pre_attn_scalar = 256;
  AHA_RETURN_IF_ERROR(
      json.ReadNumber("query_pre_attn_scalar", &config->query_pre_attn_scalar));
  int64_t pattern = 6;  // Each sixth layer sees everything.
  AHA_RETURN_IF_ERROR(json.ReadInteger("sliding_window_pattern", &pattern));
  if (pattern < 1) {
    return ConfigInvalid("sliding_window_pattern", "must be at least 1",
                         std::to_string(pattern));
  }
  AHA_RETURN_IF_ERROR(ReadLayerTypes(
      json, [&](int64_t layer) { return (layer + 1) % pattern != 0; }, config));
  if (json.IsNull("sliding_window")) config->sliding_layers.clear();
  if (config->sliding_layers.empty()) return absl::OkStatus();
  config->sliding_window = 4096;
  return json.ReadInteger("sliding_window", &config->sliding_window);
}

void WriteGemma3(const ModelConfig& config, nlohmann::ordered_json* json) {
  json->erase("hidden_act");
  (*json)["hidden_activation"] = "gelu_pytorch_tanh";
  (*json)["attention_bias"] = false;
  (*json)["query_pre_attn_scalar"] = config.query_pre_attn_scalar;
  (*json)["rope_local_base_freq"] = config.rope_local_base_freq;
  (*json)["sliding_window"] = WindowJson(config);
  (*json)["layer_types"] = LayerTypesJson(config);
  (*json)["attn_logit_softcapping"] = nullptr;
  (*json)["final_logit_softcapping"] = nullptr;
}

NormRule Gemma3Norm(const ModelConfig& config) {
  return {.epsilon = config.rms_norm_eps, .less_one = true};
}

double Gemma3Embedding(const ModelConfig& config) {
  return std::sqrt(static_cast<double>(config.hidden_size));
}

std::vector<LayerSpec> Gemma3Layers(const ModelConfig& config) {
  SwiGluShape feed_forward = DenseFeedForward(config);
  feed_forward.norm = Gemma3Norm(config);
  feed_forward.gate = ops::Gate::kGeluTanh;
  feed_forward.input_norm = "pre_feedforward_layernorm.weight";
  feed_forward.output_norm = "post_feedforward_layernorm.weight";
  std::vector<LayerSpec> layers;
  for (int64_t i = 0; i < config.num_hidden_layers; ++i) {
    GqaShape attention = DenseAttention(config, i);
    attention.norm = Gemma3Norm(config);
    attention.qk_norm = true;
    attention.output_norm = "post_attention_layernorm.weight";
    if (config.sliding(i)) {
      attention.rope = {.theta = config.rope_local_base_freq, .scaling = {}};
    }
    layers.push_back({MakeGqa(attention), MakeSwiGlu(feed_forward)});
  }
  return layers;
}

}  // namespace

const Family& Gemma3Family() {
  static constexpr Family kFamily = {.model_type = "gemma3_text",
                                     .architecture = "Gemma3ForCausalLM",
                                     .read = ReadGemma3,
                                     .write = WriteGemma3,
                                     .layers = Gemma3Layers,
                                     .final_norm_rule = Gemma3Norm,
                                     .embedding_factor = Gemma3Embedding,
                                     .ignores = IsRotaryConstant};
  return kFamily;
}

}  // namespace aha
