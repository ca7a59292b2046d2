#include "model/families/sparse.h"

#include <cstdint>
#include <memory>
#include <string>

#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/strip.h"
#include "nlohmann/json.hpp"

namespace aha {

absl::Status RequireNoRouterLoss(const ConfigJson& json) {
  return json.RequireEqual("output_router_logits", false);
}

SparseFeedForwardShape Experts(const ModelConfig& config) {
  return {.hidden_size = config.hidden_size,
          .intermediate_size = config.moe_intermediate_size,
          .experts = config.num_experts,
          .active = config.num_experts_per_tok,
          .weights = config.norm_topk_prob ? ops::RouteWeights::kOfChosen
                                           : ops::RouteWeights::kOfAll,
          .norm = PlainNorm(config)};
}

std::vector<LayerSpec> SparseLayers(const ModelConfig& config,
                                    const DenseVariant& variant,
                                    const SparseFeedForwardShape& experts) {
  std::vector<LayerSpec> layers = DenseLayers(config, variant);
  const std::shared_ptr<const BlockSpec> sparse =
      MakeSparseFeedForward(experts);
  for (size_t i = 0; i < layers.size(); ++i) {
    if (config.sparse(static_cast<int64_t>(i))) layers[i].back() = sparse;
  }
  return layers;
}

std::optional<PackedTensors> PackedExperts(
    const ModelConfig& config, const SparseFeedForwardShape& experts,
    absl::string_view tensor) {
  absl::string_view name = tensor;
  if (!absl::ConsumePrefix(&name, "model.layers.")) return std::nullopt;
  const size_t dot = name.find('.');
  if (dot == name.npos) return std::nullopt;
  const absl::string_view number = name.substr(0, dot);
  name.remove_prefix(dot + 1);
  int64_t layer = 0;
  if (!absl::SimpleAtoi(number, &layer) || absl::StrCat(layer) != number ||
      layer < 0 || layer >= config.num_hidden_layers || !config.sparse(layer) ||
      name == experts.router) {
    return std::nullopt;
  }
  const std::string prefix = absl::StrCat("model.layers.", layer, ".");
  const int64_t hidden = experts.hidden_size;
  const int64_t inner = experts.intermediate_size;
  if (name == "mlp.gate.weight") {
    return PackedTensors{{experts.experts, hidden}, {prefix + experts.router}};
  }
  PackedTensors packed;
  std::vector<std::string> suffixes;
  if (name == "mlp.experts.gate_up_proj") {
    packed.shape = {experts.experts, 2 * inner, hidden};
    suffixes = {experts.gate, experts.up};
  } else if (name == "mlp.experts.down_proj") {
    packed.shape = {experts.experts, hidden, inner};
    suffixes = {experts.down};
  } else {
    return std::nullopt;
  }
  for (int64_t expert = 0; expert < experts.experts; ++expert) {
    for (const std::string& suffix : suffixes) {
      packed.names.push_back(
          absl::StrCat(prefix, experts.expert, expert, suffix));
    }
  }
  return packed;
}

}  // namespace aha
