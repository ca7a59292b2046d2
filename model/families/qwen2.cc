// Qwen2 and Qwen2.5 (Yang et al. 2024), also the Qwen distillations of
// DeepSeek-R1: as Llama, with biases on the projections to q, k and v.
#include "model/families/qwen2.h"

#include "base/status.h"
#include "model/families/dense.h"
#include "nlohmann/json.hpp"

namespace aha {
namespace {

absl::Status ReadQwen2(const ConfigJson& json, ModelConfig* config) {
  AHA_RETURN_IF_ERROR(json.RequireEqual("use_mrope", false));
  AHA_RETURN_IF_ERROR(ReadDense(
      json, {.num_key_value_heads = 32, .head_dim = std::nullopt}, config));
  return ReadQwenWindow(json, config);
}

void WriteQwen2(const ModelConfig& config, nlohmann::ordered_json* json) {
  WriteQwenWindow(config, json);
}

std::vector<LayerSpec> Qwen2Layers(const ModelConfig& config) {
  return DenseLayers(config, {.qkv_bias = true});
}

}  // namespace

const Family& Qwen2Family() {
  static constexpr Family kFamily = {.model_type = "qwen2",
                                     .architecture = "Qwen2ForCausalLM",
                                     .read = ReadQwen2,
                                     .write = WriteQwen2,
                                     .layers = Qwen2Layers,
                                     .ignores = IsRotaryConstant};
  return kFamily;
}

}  // namespace aha
