// Qwen3 (Yang et al. 2025), the dense models: as Llama, with an RMSNorm of each
// query and key head before the rotation, and a head_dim that need not be
// hidden_size / num_attention_heads.
#include "model/families/qwen3.h"

#include "base/status.h"
#include "model/families/dense.h"
#include "nlohmann/json.hpp"

namespace aha {
namespace {

absl::Status ReadQwen3(const ConfigJson& json, ModelConfig* config) {
  AHA_RETURN_IF_ERROR(json.RequireEqual("attention_bias", false));
  AHA_RETURN_IF_ERROR(
      ReadDense(json, {.num_key_value_heads = 32, .head_dim = 128}, config));
  return ReadQwenWindow(json, config);
}

void WriteQwen3(const ModelConfig& config, nlohmann::ordered_json* json) {
  (*json)["attention_bias"] = false;
  WriteQwenWindow(config, json);
}

std::vector<LayerSpec> Qwen3Layers(const ModelConfig& config) {
  return DenseLayers(config, {.qk_norm = true});
}

}  // namespace

const Family& Qwen3Family() {
  static constexpr Family kFamily = {.model_type = "qwen3",
                                     .architecture = "Qwen3ForCausalLM",
                                     .read = ReadQwen3,
                                     .write = WriteQwen3,
                                     .layers = Qwen3Layers,
                                     .ignores = IsRotaryConstant};
  return kFamily;
}

}  // namespace aha
