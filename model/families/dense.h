// What the families of dense decoders share: layers of grouped-query attention
// and a gated feed-forward network, and the config.json fields that describe
// those.
//
// Internal to model/families/. Pure functions.
#pragma once

#include <cstdint>
#include <functional>
#include <optional>
#include <vector>

#include "absl/status/status.h"
#include "absl/strings/string_view.h"
#include "model/blocks/gqa.h"
#include "model/blocks/swiglu.h"
#include "model/families/family.h"

namespace aha {

// What transformers takes for a field that config.json lacks, and what of the
// fields differs between families.
struct DenseRules {
  std::optional<int64_t> num_key_value_heads;  // None: num_attention_heads.
  std::optional<int64_t> head_dim;  // None: hidden_size / num_attention_heads.
  // The field that names the activation, and the one that it may name.
  const char* activation_field = "hidden_act";
  const char* activation = "silu";
  // Layers with a window turn otherwise (rope_json.h).
  bool rope_by_layer = false;
};

// Reads sizes, norms, rotary positions and tie_word_embeddings. Refuses other
// activations and quantized weights.
absl::Status ReadDense(const ConfigJson& json, const DenseRules& rules,
                       ModelConfig* config);

// Bounds num_hidden_layers; for use before anything of that size is made.
absl::Status BoundLayers(const ModelConfig& config);

// Reads which layers have a window: those that layer_types calls
// sliding_attention or, if it is absent, those for which `slides` holds.
// REQUIRES: config->num_hidden_layers was read.
absl::Status ReadLayerTypes(const ConfigJson& json,
                            const std::function<bool(int64_t layer)>& slides,
                            ModelConfig* config);

// Qwen's window: of use_sliding_window, sliding_window and either layer_types
// or max_window_layers. A window that is switched off means nothing.
absl::Status ReadQwenWindow(const ConfigJson& json, ModelConfig* config);
void WriteQwenWindow(const ModelConfig& config, nlohmann::ordered_json* json);
// sliding_window and layer_types as they stand in config.json.
nlohmann::ordered_json WindowJson(const ModelConfig& config);
nlohmann::ordered_json LayerTypesJson(const ModelConfig& config);

// The blocks of a layer in the shape that a config.json describes, without what
// only some families have.
GqaShape DenseAttention(const ModelConfig& config, int64_t layer);
SwiGluShape DenseFeedForward(const ModelConfig& config);

// num_hidden_layers layers; `qkv_bias` and `qk_norm` as in gqa.h.
struct DenseVariant {
  bool qkv_bias = false;
  bool qk_norm = false;
};
std::vector<LayerSpec> DenseLayers(const ModelConfig& config,
                                   const DenseVariant& variant);

// RoPE's frequencies, which old exporters stored as a tensor.
bool IsRotaryConstant(absl::string_view tensor);

}  // namespace aha
