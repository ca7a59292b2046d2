// Mixtral (Jiang et al. 2024; 8x7B, 8x22B): as Mistral, with a mixture of
// experts in place of every feed-forward network, whose weights are a softmax
// over the experts of a token. config.json's intermediate_size is that of one
// expert.
#include "model/families/mixtral.h"

#include "base/status.h"
#include "model/families/dense.h"
#include "model/families/sparse.h"
#include "nlohmann/json.hpp"

namespace aha {
namespace {

absl::Status ReadMixtral(const ConfigJson& json, ModelConfig* config) {
  AHA_RETURN_IF_ERROR(json.RequireEqual("attention_bias", false));
  AHA_RETURN_IF_ERROR(json.RequireEqual("router_jitter_noise", 0.0));
  AHA_RETURN_IF_ERROR(RequireNoRouterLoss(json));
  // transformers ignores it in this family.
  AHA_RETURN_IF_ERROR(json.RequireAbsent("layer_types"));
  config->rms_norm_eps = 1e-5;
  config->rope_theta = 1e6;
  AHA_RETURN_IF_ERROR(ReadDense(
      json, {.num_key_value_heads = 8, .head_dim = std::nullopt}, config));
  AHA_RETURN_IF_ERROR(BoundLayers(*config));
  if (json.Find("sliding_window") != nullptr) {
    AHA_RETURN_IF_ERROR(
        json.ReadInteger("sliding_window", &config->sliding_window));
    AHA_RETURN_IF_ERROR(ReadLayerTypes(
        json, [](int64_t) { return true; }, config));
  }
  config->num_experts = 8;
  config->num_experts_per_tok = 2;
  // transformers takes the second name for the first.
  for (const char* field : {"num_experts", "num_local_experts"}) {
    AHA_RETURN_IF_ERROR(json.ReadInteger(field, &config->num_experts));
  }
  AHA_RETURN_IF_ERROR(
      json.ReadInteger("num_experts_per_tok", &config->num_experts_per_tok));
  config->moe_intermediate_size = config->intermediate_size;
  config->sparse_layers.assign(static_cast<size_t>(config->num_hidden_layers),
                               true);
  return absl::OkStatus();
}

void WriteMixtral(const ModelConfig& config, nlohmann::ordered_json* json) {
  (*json)["sliding_window"] = WindowJson(config);
  (*json)["num_local_experts"] = config.num_experts;
  (*json)["num_experts_per_tok"] = config.num_experts_per_tok;
  (*json)["output_router_logits"] = false;
  (*json)["router_jitter_noise"] = 0.0;
}

SparseFeedForwardShape MixtralExperts(const ModelConfig& config) {
  SparseFeedForwardShape experts = Experts(config);
  experts.weights = ops::RouteWeights::kOfChosen;
  experts.router = "block_sparse_moe.gate.weight";
  experts.expert = "block_sparse_moe.experts.";
  experts.gate = ".w1.weight";
  experts.up = ".w3.weight";
  experts.down = ".w2.weight";
  return experts;
}

std::vector<LayerSpec> MixtralLayers(const ModelConfig& config) {
  return SparseLayers(config, {}, MixtralExperts(config));
}

std::optional<PackedTensors> PackedMixtral(const ModelConfig& config,
                                           absl::string_view tensor) {
  return PackedExperts(config, MixtralExperts(config), tensor);
}

}  // namespace

const Family& MixtralFamily() {
  static constexpr Family kFamily = {.model_type = "mixtral",
                                     .architecture = "MixtralForCausalLM",
                                     .read = ReadMixtral,
                                     .write = WriteMixtral,
                                     .layers = MixtralLayers,
                                     .ignores = IsRotaryConstant,
                                     .packed = PackedMixtral};
  return kFamily;
}

}  // namespace aha
