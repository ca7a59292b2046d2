// What the families of sparse decoders share: layers of grouped-query attention
// as the dense ones have them, and a mixture of experts in all or some layers.
//
// Internal to model/families/. Pure functions.
#pragma once

#include <optional>
#include <vector>

#include "absl/status/status.h"
#include "absl/strings/string_view.h"
#include "model/blocks/sparse_feed_forward.h"
#include "model/families/dense.h"
#include "model/families/family.h"

namespace aha {

// Refuses what a sparse model may ask for and Aha does not compute: to report
// the router's logits, with which transformers adds a loss for the balance of
// the experts.
absl::Status RequireNoRouterLoss(const ConfigJson& json);

// A mixture of experts in the shape that a config.json describes.
SparseFeedForwardShape Experts(const ModelConfig& config);

// DenseLayers with these experts in the layers of config.sparse_layers.
std::vector<LayerSpec> SparseLayers(const ModelConfig& config,
                                    const DenseVariant& variant,
                                    const SparseFeedForwardShape& experts);

// What transformers 5 keeps in memory, and writes if it is asked not to restore
// the form of the hub: all experts of a layer in mlp.experts.gate_up_proj and
// mlp.experts.down_proj, and the router in mlp.gate.weight. None if the tensor
// is not one of these, or has the name that the model's own has.
std::optional<PackedTensors> PackedExperts(
    const ModelConfig& config, const SparseFeedForwardShape& experts,
    absl::string_view tensor);

}  // namespace aha
