// ModelConfig is what a model directory's config.json says of a model: its
// family and the sizes of its decoder-only transformer.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "model/rope.h"

namespace aha {

// The names of the fields are Hugging Face's (docs/algorithms.md section 7.4).
// The family of a model (model/families/family.h) says which of them it has and
// what they mean for its layers.
struct ModelConfig {
  std::string model_type = "llama";  // Names a family.
  int64_t hidden_size = 0;
  int64_t intermediate_size = 0;
  int64_t num_hidden_layers = 0;
  int64_t num_attention_heads = 0;
  int64_t num_key_value_heads = 0;
  int64_t head_dim = 0;
  int64_t vocab_size = 0;
  int64_t max_position_embeddings = 0;
  double rope_theta = 10000;
  RopeScaling rope_scaling;
  // Of the layers with a window, where a family turns those otherwise
  // (Gemma 3); they are not scaled.
  double rope_local_base_freq = 10000;
  double rms_norm_eps = 1e-5;
  // How many positions the attention of some layers sees; 0: there are none.
  int64_t sliding_window = 0;
  // Which layers these are, one entry a layer; empty: none.
  std::vector<bool> sliding_layers;
  // Mixtures of experts (blocks/sparse_feed_forward.h). Which layers have one,
  // one entry a layer; empty: none.
  std::vector<bool> sparse_layers;
  int64_t num_experts = 0;
  int64_t num_experts_per_tok = 0;
  int64_t moe_intermediate_size = 0;  // The width of one expert.
  bool norm_topk_prob = true;  // The weights of a token's experts sum to 1.
  // The softmax scale is 1 / sqrt of it; 0: of head_dim.
  double query_pre_attn_scalar = 0;
  bool tie_word_embeddings = true;
  double initializer_range = 0.02;
  int32_t bos_token_id = -1;           // -1: none.
  std::vector<int32_t> eos_token_ids;  // Each of them ends a completion.

  // Parses and validates the text of config.json. A model type without a family
  // and what a family does not compute are UNIMPLEMENTED; missing, malformed or
  // contradictory fields are INVALID_ARGUMENT. Each error names the field, the
  // rule and the value.
  static absl::StatusOr<ModelConfig> Parse(absl::string_view json);
  // Loads the config of a model directory. generation_config.json may add end
  // tokens; if neither file names one, it is tokenizer_config.json's eos_token.
  static absl::StatusOr<ModelConfig> Load(const std::string& directory);
  // INVALID_ARGUMENT naming the field, the rule and the value.
  absl::Status Validate() const;

  // True if the layer has a window; if it has experts.
  bool sliding(int64_t layer) const {
    return !sliding_layers.empty() &&
           sliding_layers[static_cast<size_t>(layer)];
  }
  bool sparse(int64_t layer) const {
    return !sparse_layers.empty() && sparse_layers[static_cast<size_t>(layer)];
  }

  // Lets this token end a completion, too, if it is one of the vocabulary: that
  // with which the model's chat template ends a turn.
  void AddEndToken(int32_t id);

  // The most tokens that a sequence may have: max_position_embeddings, or less
  // where positions beyond would turn with the total length of a sequence, so
  // that a token's logits depended on more than its prefix.
  int64_t context() const;
  // What sets context(), and why, for messages: "max_position_embeddings".
  std::string ContextRule() const;
  // The text of a config.json that Parse reads back as this.
  std::string ToJson() const;
};

}  // namespace aha
