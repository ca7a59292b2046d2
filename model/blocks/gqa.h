// The grouped-query attention block of Llama, Mistral, Qwen and Gemma (Ainslie
// et al. 2023): x += o(attention(rope(q), rope(k), v)) with q, k, v projected
// from RmsNorm(x), several query heads sharing each key and value head.
//
// Variants can be switched on: biases on the projections to q, k and v (Qwen2),
// an RMSNorm of each query and key head before the rotation (Qwen3, Gemma), a
// window of positions that attention sees (Mistral, Gemma), and an RMSNorm of
// what is added to x (Gemma).
//
// Rounding points: the normed input, the stored keys and values and the
// attention's output are in the model's dtype, everything between is fp32.
//
// Internal to model/.
#pragma once

#include <cstdint>
#include <memory>
#include <string>

#include "model/blocks/block.h"
#include "model/blocks/norm.h"
#include "model/rope.h"

namespace aha {

struct GqaShape {
  int64_t hidden_size = 0;
  int64_t heads = 0;  // A multiple of kv_heads.
  int64_t kv_heads = 0;
  int64_t head_dim = 0;  // Even.
  int64_t max_positions = 0;
  RopeSettings rope;
  NormRule norm;
  bool qkv_bias = false;
  bool qk_norm = false;
  // A query sees this many positions up to its own; 0: all of them.
  int64_t window = 0;
  // The softmax scale is 1 / sqrt(query_scalar); 0: head_dim.
  double query_scalar = 0;
  // The tensors' names within the layer: of the gains before the attention, and
  // what stands before q_proj.weight and the others.
  std::string input_norm = "input_layernorm.weight";
  std::string prefix = "self_attn.";
  // The gains of the norm of the output; empty: there is none.
  std::string output_norm = {};
};

std::shared_ptr<const BlockSpec> MakeGqa(const GqaShape& shape);

}  // namespace aha
