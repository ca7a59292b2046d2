// Qwen3-MoE (Yang et al. 2025), the sparse models of Qwen3 (30B-A3B,
// 235B-A22B): as Qwen3, with a mixture of experts in place of the feed-forward
// network of all layers but those that decoder_sparse_step and mlp_only_layers
// leave dense.
#include "model/families/qwen3_moe.h"

#include <algorithm>

#include "absl/strings/str_cat.h"
#include "base/status.h"
#include "model/families/dense.h"
#include "model/families/sparse.h"
#include "nlohmann/json.hpp"

namespace aha {
namespace {

// Layer i (from 0) is sparse if i + 1 is a multiple of decoder_sparse_step and
// mlp_only_layers does not name it.
absl::Status ReadSparseLayers(const ConfigJson& json, ModelConfig* config) {
  int64_t step = 1;
  AHA_RETURN_IF_ERROR(json.ReadInteger("decoder_sparse_step", &step));
  if (step < 1) {
    return ConfigInvalid("decoder_sparse_step", "must be at least 1",
                         absl::StrCat(step));
  }
  std::vector<bool>& layers = config->sparse_layers;
  layers.clear();
  for (int64_t i = 0; i < config->num_hidden_layers; ++i) {
    layers.push_back(config->num_experts != 0 && (i + 1) % step == 0);
  }
  if (const nlohmann::json* dense = json.Find("mlp_only_layers")) {
    if (!dense->is_array()) {
      return ConfigInvalid("mlp_only_layers", "must be an array",
                           ShowJson(*dense));
    }
    for (const nlohmann::json& number : *dense) {
      AHA_ASSIGN_OR_RETURN(const int64_t layer,
                           ToInteger(number, "mlp_only_layers"));
      if (layer < 0 || layer >= config->num_hidden_layers) {
        return ConfigInvalid(
            "mlp_only_layers",
            absl::StrCat("must name layers below ", config->num_hidden_layers),
            absl::StrCat(layer));
      }
      layers[static_cast<size_t>(layer)] = false;
    }
  }
  const bool any =
      std::find(layers.begin(), layers.end(), true) != layers.end();
  if (!any) layers.clear();
  return absl::OkStatus();
}

// A window that is switched on is that of every layer: transformers has no
// max_window_layers and no layer_types for this family.
absl::Status ReadWindow(const ConfigJson& json, ModelConfig* config) {
  AHA_RETURN_IF_ERROR(json.RequireAbsent("layer_types"));
  bool use = false;
  AHA_RETURN_IF_ERROR(json.ReadBool("use_sliding_window", &use));
  use = use && !json.IsNull("sliding_window");
  AHA_RETURN_IF_ERROR(ReadLayerTypes(
      json, [use](int64_t) { return use; }, config));
  if (!use) return absl::OkStatus();
  config->sliding_window = 4096;
  return json.ReadInteger("sliding_window", &config->sliding_window);
}

absl::Status ReadQwen3Moe(const ConfigJson& json, ModelConfig* config) {
  AHA_RETURN_IF_ERROR(json.RequireEqual("attention_bias", false));
  AHA_RETURN_IF_ERROR(RequireNoRouterLoss(json));
  // Qwen2-MoE's, an expert that sees every token.
  AHA_RETURN_IF_ERROR(json.RequireAbsent("shared_expert_intermediate_size"));
  AHA_RETURN_IF_ERROR(ReadDense(
      json, {.num_key_value_heads = 4, .head_dim = std::nullopt}, config));
  AHA_RETURN_IF_ERROR(ReadWindow(json, config));
  config->num_experts = 128;
  config->num_experts_per_tok = 8;
  config->moe_intermediate_size = 768;
  config->norm_topk_prob = false;
  // transformers takes the second name for the first.
  for (const char* field : {"num_local_experts", "num_experts"}) {
    AHA_RETURN_IF_ERROR(json.ReadInteger(field, &config->num_experts));
  }
  AHA_RETURN_IF_ERROR(
      json.ReadInteger("num_experts_per_tok", &config->num_experts_per_tok));
  AHA_RETURN_IF_ERROR(json.ReadInteger("moe_intermediate_size",
                                       &config->moe_intermediate_size));
  AHA_RETURN_IF_ERROR(json.ReadBool("norm_topk_prob", &config->norm_topk_prob));
  return ReadSparseLayers(json, config);
}

void WriteQwen3Moe(const ModelConfig& config, nlohmann::ordered_json* json) {
  (*json)["attention_bias"] = false;
  (*json)["use_sliding_window"] = !config.sliding_layers.empty();
  (*json)["sliding_window"] = WindowJson(config);
  (*json)["num_experts"] = config.num_experts;
  (*json)["num_experts_per_tok"] = config.num_experts_per_tok;
  (*json)["moe_intermediate_size"] = config.moe_intermediate_size;
  (*json)["norm_topk_prob"] = config.norm_topk_prob;
  (*json)["decoder_sparse_step"] = 1;
  auto dense = nlohmann::ordered_json::array();
  for (int64_t i = 0; i < config.num_hidden_layers; ++i) {
    if (!config.sparse(i)) dense.push_back(i);
  }
  (*json)["mlp_only_layers"] = std::move(dense);
  (*json)["output_router_logits"] = false;
}

std::vector<LayerSpec> Qwen3MoeLayers(const ModelConfig& config) {
  return SparseLayers(config, {.qk_norm = true}, Experts(config));
}

std::optional<PackedTensors> PackedQwen3Moe(const ModelConfig& config,
                                            absl::string_view tensor) {
  return PackedExperts(config, Experts(config), tensor);
}

}  // namespace

const Family& Qwen3MoeFamily() {
  static constexpr Family kFamily = {.model_type = "qwen3_moe",
                                     .architecture = "Qwen3MoeForCausalLM",
                                     .read = ReadQwen3Moe,
                                     .write = WriteQwen3Moe,
                                     .layers = Qwen3MoeLayers,
                                     .ignores = IsRotaryConstant,
                                     .packed = PackedQwen3Moe};
  return kFamily;
}

}  // namespace aha
