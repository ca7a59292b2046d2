// Llama (Touvron et al. 2023) and models of the same shape, such as SmolLM2 and
// the Llama distillations of DeepSeek-R1: GQA and SwiGLU without biases.
#include "model/families/llama.h"

#include "base/status.h"
#include "model/families/dense.h"
#include "nlohmann/json.hpp"

namespace aha {
namespace {

absl::Status ReadLlama(const ConfigJson& json, ModelConfig* config) {
  AHA_RETURN_IF_ERROR(json.RequireEqual("attention_bias", false));
  AHA_RETURN_IF_ERROR(json.RequireEqual("mlp_bias", false));
  return ReadDense(json, {}, config);
}

void WriteLlama(const ModelConfig&, nlohmann::ordered_json* json) {
  (*json)["attention_bias"] = false;
  (*json)["mlp_bias"] = false;
}

std::vector<LayerSpec> LlamaLayers(const ModelConfig& config) {
  return DenseLayers(config, {});
}

}  // namespace

const Family& LlamaFamily() {
  static constexpr Family kFamily = {.model_type = "llama",
                                     .architecture = "LlamaForCausalLM",
                                     .read = ReadLlama,
                                     .write = WriteLlama,
                                     .layers = LlamaLayers,
                                     .ignores = IsRotaryConstant};
  return kFamily;
}

}  // namespace aha
