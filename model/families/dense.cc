#include "model/families/dense.h"

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "base/status.h"
#include "model/blocks/gqa.h"
#include "model/blocks/swiglu.h"
#include "nlohmann/json.hpp"

namespace aha {
namespace {

absl::Status ReadSizes(const ConfigJson& json, const DenseDefaults& defaults,
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
      defaults.num_key_value_heads.value_or(c->num_attention_heads);
  AHA_RETURN_IF_ERROR(
      json.ReadInteger("num_key_value_heads", &c->num_key_value_heads));
  if (json.Find("head_dim") != nullptr) {
    return json.ReadInteger("head_dim", &c->head_dim);
  }
  if (defaults.head_dim.has_value()) {
    c->head_dim = *defaults.head_dim;
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

// One of the two objects that may describe rotary positions: rope_scaling, or
// rope_parameters, as transformers 5 writes it.
absl::Status ReadRopeObject(const ConfigJson& json, const char* field,
                            double* theta) {
  const nlohmann::json* value = json.Find(field);
  if (value == nullptr) return absl::OkStatus();
  if (!value->is_object()) {
    return ConfigInvalid(field, "must be an object", ShowJson(*value));
  }
  const ConfigJson rope(*value, absl::StrCat(field, "."));
  for (const char* type : {"rope_type", "type"}) {
    AHA_RETURN_IF_ERROR(rope.RequireEqual(type, "default"));
  }
  AHA_RETURN_IF_ERROR(rope.RequireEqual("partial_rotary_factor", 1.0));
  for (const auto& [key, entry] : value->items()) {
    if (!entry.is_structured()) continue;  // Parameters of each kind of layer?
    return ConfigUnsupported(absl::StrCat(field, ".", ShowJson(key)),
                             "must be a number or a string", ShowJson(entry));
  }
  return rope.ReadNumber("rope_theta", theta);
}

}  // namespace

absl::Status ReadDense(const ConfigJson& json, const DenseDefaults& defaults,
                       ModelConfig* config) {
  AHA_RETURN_IF_ERROR(json.RequireEqual("hidden_act", "silu"));
  AHA_RETURN_IF_ERROR(json.RequireEqual("rope_interleaved", false));
  AHA_RETURN_IF_ERROR(json.RequireEqual("partial_rotary_factor", 1.0));
  AHA_RETURN_IF_ERROR(json.RequireAbsent("quantization_config"));
  AHA_RETURN_IF_ERROR(ReadSizes(json, defaults, config));
  AHA_RETURN_IF_ERROR(json.ReadNumber("rope_theta", &config->rope_theta));
  for (const char* field : {"rope_scaling", "rope_parameters"}) {
    AHA_RETURN_IF_ERROR(ReadRopeObject(json, field, &config->rope_theta));
  }
  AHA_RETURN_IF_ERROR(json.ReadNumber("rms_norm_eps", &config->rms_norm_eps));
  AHA_RETURN_IF_ERROR(
      json.ReadNumber("initializer_range", &config->initializer_range));
  return json.ReadBool("tie_word_embeddings", &config->tie_word_embeddings);
}

absl::Status RefuseSlidingWindows(const ConfigJson& json) {
  AHA_RETURN_IF_ERROR(json.RequireEqual("use_sliding_window", false));
  const nlohmann::json* types = json.Find("layer_types");
  if (types == nullptr) return absl::OkStatus();
  if (!types->is_array()) {
    return ConfigInvalid("layer_types", "must be an array", ShowJson(*types));
  }
  for (const nlohmann::json& type : *types) {
    if (type == "full_attention") continue;
    return ConfigUnsupported("layer_types", "must all be \"full_attention\"",
                             ShowJson(type));
  }
  return absl::OkStatus();
}

std::vector<LayerSpec> DenseLayers(const ModelConfig& config,
                                   const DenseVariant& variant) {
  const LayerSpec layer = {
      MakeGqa({.hidden_size = config.hidden_size,
               .heads = config.num_attention_heads,
               .kv_heads = config.num_key_value_heads,
               .head_dim = config.head_dim,
               .max_positions = config.max_position_embeddings,
               .rope_theta = config.rope_theta,
               .norm_epsilon = config.rms_norm_eps,
               .qkv_bias = variant.qkv_bias,
               .qk_norm = variant.qk_norm}),
      MakeSwiGlu({.hidden_size = config.hidden_size,
                  .intermediate_size = config.intermediate_size,
                  .norm_epsilon = config.rms_norm_eps})};
  return std::vector<LayerSpec>(static_cast<size_t>(config.num_hidden_layers),
                                layer);
}

bool IsRotaryConstant(absl::string_view tensor) {
  return absl::EndsWith(tensor, ".rotary_emb.inv_freq");
}

}  // namespace aha
