#include "model/families/dense.h"

#include <algorithm>

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "base/status.h"
#include "model/families/rope_json.h"
#include "nlohmann/json.hpp"

namespace aha {
namespace {

absl::Status ReadSizes(const ConfigJson& json, const DenseRules& rules,
                       ModelConfig* c) {
  AHA_RETURN_IF_ERROR(json.ReadRequiredInteger("hidden_size", &c->hidden_size));
  AHA_RETURN_IF_ERROR(
      json.ReadRequiredInteger("intermediate_size", &c->intermediate_size));
  AHA_RETURN_IF_ERROR(
      json.ReadRequiredInteger("num_hidden_layers", &c->num_hidden_layers));
  AHA_RETURN_IF_ERROR(
      json.ReadRequiredInteger("num_attention_heads", &c->num_attention_heads));
  AHA_RETURN_IF_ERROR(json.ReadRequiredInteger("vocab_size", &c->vocab_size));
  AHA_RETURN_IF_ERROR(json.ReadRequiredInteger("max_position_embeddings",
                                               &c->max_position_embeddings));
  c->num_key_value_heads =
      rules.num_key_value_heads.value_or(c->num_attention_heads);
  AHA_RETURN_IF_ERROR(
      json.ReadInteger("num_key_value_heads", &c->num_key_value_heads));
  if (json.Find("head_dim") != nullptr) {
    return json.ReadInteger("head_dim", &c->head_dim);
  }
  if (rules.head_dim.has_value()) {
    c->head_dim = *rules.head_dim;
    return absl::OkStatus();
  }
  if (c->num_attention_heads <= 0 ||
      c->hidden_size % c->num_attention_heads != 0) {
    return ConfigInvalid(
        "hidden_size",
        "must be a multiple of num_attention_heads if head_dim is absent",
        absl::StrCat(c->hidden_size, " and ", c->num_attention_heads));
  }
  c->head_dim = c->hidden_size / c->num_attention_heads;
  return absl::OkStatus();
}

}  // namespace

absl::Status ReadDense(const ConfigJson& json, const DenseRules& rules,
                       ModelConfig* config) {
  AHA_RETURN_IF_ERROR(
      json.RequireEqual(rules.activation_field, rules.activation));
  AHA_RETURN_IF_ERROR(json.RequireEqual("rope_interleaved", false));
  AHA_RETURN_IF_ERROR(json.RequireAbsent("quantization_config"));
  AHA_RETURN_IF_ERROR(ReadSizes(json, rules, config));
  AHA_RETURN_IF_ERROR(rules.rope_by_layer ? ReadRopeByLayer(json, config)
                                          : ReadRope(json, config));
  AHA_RETURN_IF_ERROR(json.ReadNumber("rms_norm_eps", &config->rms_norm_eps));
  AHA_RETURN_IF_ERROR(
      json.ReadNumber("initializer_range", &config->initializer_range));
  return json.ReadBool("tie_word_embeddings", &config->tie_word_embeddings);
}

absl::Status BoundLayers(const ModelConfig& config) {
  if (config.num_hidden_layers >= 1 && config.num_hidden_layers <= 1024) {
    return absl::OkStatus();
  }
  return ConfigInvalid("num_hidden_layers", "must be in [1, 1024]",
                       absl::StrCat(config.num_hidden_layers));
}

absl::Status ReadLayerTypes(const ConfigJson& json,
                            const std::function<bool(int64_t layer)>& slides,
                            ModelConfig* config) {
  AHA_RETURN_IF_ERROR(BoundLayers(*config));
  std::vector<bool>& layers = config->sliding_layers;
  layers.clear();
  if (const nlohmann::json* types = json.Find("layer_types")) {
    if (!types->is_array()) {
      return ConfigInvalid("layer_types", "must be an array", ShowJson(*types));
    }
    for (const nlohmann::json& type : *types) {
      const bool sliding = type == "sliding_attention";
      if (!sliding && type != "full_attention") {
        return ConfigUnsupported("layer_types",
                                 "must be of \"full_attention\" and "
                                 "\"sliding_attention\"",
                                 ShowJson(type));
      }
      layers.push_back(sliding);
    }
  } else {
    for (int64_t i = 0; i < config->num_hidden_layers; ++i) {
      layers.push_back(slides(i));
    }
  }
  const bool any =
      std::find(layers.begin(), layers.end(), true) != layers.end();
  if (!any) layers.clear();
  return absl::OkStatus();
}

absl::Status ReadQwenWindow(const ConfigJson& json, ModelConfig* config) {
  bool use = false;
  AHA_RETURN_IF_ERROR(json.ReadBool("use_sliding_window", &use));
  use = use && !json.IsNull("sliding_window");
  int64_t first = 28;
  AHA_RETURN_IF_ERROR(json.ReadInteger("max_window_layers", &first));
  AHA_RETURN_IF_ERROR(ReadLayerTypes(
      json, [&](int64_t layer) { return use && layer >= first; }, config));
  if (config->sliding_layers.empty()) return absl::OkStatus();
  if (!use) {
    return ConfigUnsupported("layer_types",
                             "must all be \"full_attention\" without "
                             "use_sliding_window",
                             "\"sliding_attention\"");
  }
  config->sliding_window = 4096;
  return json.ReadInteger("sliding_window", &config->sliding_window);
}

void WriteQwenWindow(const ModelConfig& config, nlohmann::ordered_json* json) {
  (*json)["use_sliding_window"] = !config.sliding_layers.empty();
  if (config.sliding_layers.empty()) return;
  (*json)["sliding_window"] = WindowJson(config);
  (*json)["layer_types"] = LayerTypesJson(config);
}

nlohmann::ordered_json WindowJson(const ModelConfig& config) {
  if (config.sliding_window == 0) return nullptr;
  return config.sliding_window;
}

nlohmann::ordered_json LayerTypesJson(const ModelConfig& config) {
  auto types = nlohmann::ordered_json::array();
  for (int64_t i = 0; i < config.num_hidden_layers; ++i) {
    types.push_back(config.sliding(i) ? "sliding_attention" : "full_attention");
  }
  return types;
}

GqaShape DenseAttention(const ModelConfig& config, int64_t layer) {
  // A window that no sequence leaves hides nothing.
  const bool hides =
      config.sliding(layer) && config.sliding_window < config.context();
  return {.hidden_size = config.hidden_size,
          .heads = config.num_attention_heads,
          .kv_heads = config.num_key_value_heads,
          .head_dim = config.head_dim,
          .max_positions = config.context(),
          .rope = {.theta = config.rope_theta, .scaling = config.rope_scaling},
          .norm = PlainNorm(config),
          .window = hides ? config.sliding_window : 0,
          .query_scalar = config.query_pre_attn_scalar};
}

SwiGluShape DenseFeedForward(const ModelConfig& config) {
  return {.hidden_size = config.hidden_size,
          .intermediate_size = config.intermediate_size,
          .norm = PlainNorm(config)};
}

std::vector<LayerSpec> DenseLayers(const ModelConfig& config,
                                   const DenseVariant& variant) {
  std::vector<LayerSpec> layers;
  const auto feed_forward = MakeSwiGlu(DenseFeedForward(config));
  for (int64_t i = 0; i < config.num_hidden_layers; ++i) {
    GqaShape attention = DenseAttention(config, i);
    attention.qkv_bias = variant.qkv_bias;
    attention.qk_norm = variant.qk_norm;
    layers.push_back({MakeGqa(attention), feed_forward});
  }
  return layers;
}

bool IsRotaryConstant(absl::string_view tensor) {
  return absl::EndsWith(tensor, ".rotary_emb.inv_freq");
}

}  // namespace aha
