// Mistral (Jiang et al. 2023): as Llama, with a window of positions that every
// layer's attention sees (7B v0.1), or without one (later models).
#include "model/families/mistral.h"

#include "base/status.h"
#include "model/families/dense.h"
#include "nlohmann/json.hpp"

namespace aha {
namespace {

absl::Status ReadMistral(const ConfigJson& json, ModelConfig* config) {
  AHA_RETURN_IF_ERROR(json.RequireEqual("attention_bias", false));
  // transformers ignores it in this family.
  AHA_RETURN_IF_ERROR(json.RequireAbsent("layer_types"));
  AHA_RETURN_IF_ERROR(ReadDense(
      json, {.num_key_value_heads = 8, .head_dim = std::nullopt}, config));
  if (json.IsNull("sliding_window")) return absl::OkStatus();
  config->sliding_window = 4096;
  AHA_RETURN_IF_ERROR(
      json.ReadInteger("sliding_window", &config->sliding_window));
  return ReadLayerTypes(
      json, [](int64_t) { return true; }, config);
}

void WriteMistral(const ModelConfig& config, nlohmann::ordered_json* json) {
  (*json)["sliding_window"] = WindowJson(config);
}

std::vector<LayerSpec> MistralLayers(const ModelConfig& config) {
  return DenseLayers(config, {});
}

}  // namespace

const Family& MistralFamily() {
  static constexpr Family kFamily = {.model_type = "mistral",
                                     .architecture = "MistralForCausalLM",
                                     .read = ReadMistral,
                                     .write = WriteMistral,
                                     .layers = MistralLayers,
                                     .ignores = IsRotaryConstant};
  return kFamily;
}

}  // namespace aha
