// The SwiGLU feed-forward block of Llama and Qwen (Shazeer 2020):
// x += down(silu(gate(n)) * up(n)) with n = RmsNorm(x). It stores nothing in
// the KV cache.
//
// Rounding points: the normed input and the activation are in the model's
// dtype, everything between is fp32.
//
// Internal to model/.
#pragma once

#include <cstdint>
#include <memory>
#include <string>

#include "model/blocks/block.h"

namespace aha {

struct SwiGluShape {
  int64_t hidden_size = 0;
  int64_t intermediate_size = 0;
  double norm_epsilon = 0;
  // The tensors' names within the layer: of the gains before the network, and
  // what stands before gate_proj.weight and the others.
  std::string input_norm = "post_attention_layernorm.weight";
  std::string prefix = "mlp.";
};

std::shared_ptr<const BlockSpec> MakeSwiGlu(const SwiGluShape& shape);

}  // namespace aha
