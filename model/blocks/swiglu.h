// The gated feed-forward block (Shazeer 2020): x += down(f(gate(n)) * up(n))
// with n = RmsNorm(x), where f is SiLU (SwiGLU: Llama, Mistral, Qwen) or GELU
// (GeGLU: Gemma). Gemma has an RMSNorm of what is added to x, too. The block
// stores nothing in the KV cache.
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
#include "model/blocks/norm.h"
#include "ops/swiglu.h"

namespace aha {

struct SwiGluShape {
  int64_t hidden_size = 0;
  int64_t intermediate_size = 0;
  NormRule norm;
  ops::Gate gate = ops::Gate::kSilu;
  // The tensors' names within the layer: of the gains before the network, and
  // what stands before gate_proj.weight and the others.
  std::string input_norm = "post_attention_layernorm.weight";
  std::string prefix = "mlp.";
  // The gains of the norm of the output; empty: there is none.
  std::string output_norm = {};
};

std::shared_ptr<const BlockSpec> MakeSwiGlu(const SwiGluShape& shape);

}  // namespace aha
