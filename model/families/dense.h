// What the families of dense decoders share: layers of grouped-query attention
// and SwiGLU, and the config.json fields that describe those.
//
// Internal to model/families/. Pure functions.
#pragma once

#include <optional>
#include <vector>

#include "absl/status/status.h"
#include "absl/strings/string_view.h"
#include "model/families/family.h"

namespace aha {

// What transformers takes for a field that config.json lacks.
struct DenseDefaults {
  std::optional<int64_t> num_key_value_heads;  // None: num_attention_heads.
  std::optional<int64_t> head_dim;  // None: hidden_size / num_attention_heads.
};

// Reads sizes, norms, rotary positions and tie_word_embeddings. Refuses
// activations other than SiLU, scaled rotary positions and quantized weights.
absl::Status ReadDense(const ConfigJson& json, const DenseDefaults& defaults,
                       ModelConfig* config);

// Refuses sliding windows in the forms that Qwen's config.json has: attention
// reads every earlier position. What only describes a window that is switched
// off (sliding_window, max_window_layers) means nothing.
absl::Status RefuseSlidingWindows(const ConfigJson& json);

// num_hidden_layers equal layers; `qkv_bias` and `qk_norm` as in gqa.h.
struct DenseVariant {
  bool qkv_bias = false;
  bool qk_norm = false;
};
std::vector<LayerSpec> DenseLayers(const ModelConfig& config,
                                   const DenseVariant& variant);

// RoPE's frequencies, which old exporters stored as a tensor.
bool IsRotaryConstant(absl::string_view tensor);

}  // namespace aha
