// What a model directory's config.json says: the shape of a decoder-only
// transformer of the Llama kind (RMSNorm, RoPE, GQA, SwiGLU).
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"

namespace aha {

// Field names are Hugging Face's (docs/algorithms.md section 7.4).
struct ModelConfig {
  int64_t hidden_size = 0;
  int64_t intermediate_size = 0;
  int64_t num_hidden_layers = 0;
  int64_t num_attention_heads = 0;
  int64_t num_key_value_heads = 0;
  int64_t head_dim = 0;
  int64_t vocab_size = 0;
  int64_t max_position_embeddings = 0;
  double rope_theta = 10000;
  double rms_norm_eps = 1e-5;
  bool tie_word_embeddings = true;
  double initializer_range = 0.02;
  int32_t bos_token_id = -1;           // -1: none.
  std::vector<int32_t> eos_token_ids;  // Any of them ends a completion.

  // Parses and validates config.json's text.  Unsupported model types and
  // rope_scaling are UNIMPLEMENTED, missing or contradictory fields
  // INVALID_ARGUMENT, each with the field, the rule and the value.
  static absl::StatusOr<ModelConfig> Parse(absl::string_view json);
  // Of a model directory.  Its generation_config.json may add end tokens.
  static absl::StatusOr<ModelConfig> Load(const std::string& directory);
  absl::Status Validate() const;
  std::string ToJson() const;
};

}  // namespace aha
