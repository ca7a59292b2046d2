// The sparse feed-forward block, a mixture of experts (Shazeer et al. 2017;
// Mixtral, Jiang et al. 2024; Qwen3-MoE, Yang et al. 2025):
//
//   n = RmsNorm(x),  l = router n
//   x += sum over the row's experts e of weight_e * down_e(silu(gate_e n) up_e
//   n)
//
// The experts of a row are the `active` ones with the largest logits l; of
// equal logits that of the lower expert counts as the larger one. Their weights
// are a softmax over all experts or over the row's own (ops/route.h). Every row
// gets its experts: none has a capacity, and no row is dropped.
//
// The invariance contract holds because nothing of a row meets another one: the
// router's product and the softmax are of the row alone; the rows of an expert
// are gathered, multiplied by kernels that are row-invariant, and put back; and
// a row's experts are added by descending logit, whichever rows share them.
// Backward sums an expert's gradients over the rows that chose it in the order
// of the rows. The choice itself has no gradient, and no auxiliary loss for the
// balance of the experts is added.
//
// Rounding points: the normed input and the experts' activations are in the
// model's dtype; logits, weights and everything else are fp32.
//
// Internal to model/.
#pragma once

#include <cstdint>
#include <memory>
#include <string>

#include "model/blocks/block.h"
#include "model/blocks/norm.h"
#include "ops/route.h"

namespace aha {

struct SparseFeedForwardShape {
  int64_t hidden_size = 0;
  int64_t intermediate_size = 0;  // The width of one expert.
  int64_t experts = 0;
  int64_t active = 0;  // How many experts a row has.
  ops::RouteWeights weights = ops::RouteWeights::kOfChosen;
  NormRule norm;
  // The tensors' names within the layer: the gains before the network, the
  // router, what stands before an expert's number, and what stands after it.
  std::string input_norm = "post_attention_layernorm.weight";
  std::string router = "mlp.gate.weight";
  std::string expert = "mlp.experts.";
  std::string gate = ".gate_proj.weight";
  std::string up = ".up_proj.weight";
  std::string down = ".down_proj.weight";
};

std::shared_ptr<const BlockSpec> MakeSparseFeedForward(
    const SparseFeedForwardShape& shape);

}  // namespace aha
