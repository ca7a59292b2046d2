#include "actor/model_setup.h"

#include <utility>

#include "absl/strings/str_cat.h"
#include "base/status.h"
#include "model/parameters.h"

namespace aha::actor {
namespace {

absl::StatusOr<DType> ResolveDType(const std::string& dtype) {
  if (dtype == "auto") return NativeDType();
  if (dtype == "bf16") return DType::kBf16;
  if (dtype == "fp32") return DType::kF32;
  return absl::InvalidArgumentError(absl::StrCat(
      "model.dtype must be auto, bf16 or fp32, is \"", dtype, "\""));
}

absl::StatusOr<ModelConfig> ConfigOf(const v1::Architecture& shape,
                                     const TokenizerFiles& tokenizer) {
  if (shape.num_attention_heads() < 1) {
    return absl::InvalidArgumentError(absl::StrCat(
        "model.architecture.num_attention_heads must be at least 1, is ",
        shape.num_attention_heads()));
  }
  ModelConfig config;
  config.hidden_size = shape.hidden_size();
  config.intermediate_size = shape.intermediate_size();
  config.num_hidden_layers = shape.num_hidden_layers();
  config.num_attention_heads = shape.num_attention_heads();
  config.num_key_value_heads = shape.num_key_value_heads();
  config.head_dim = shape.hidden_size() / shape.num_attention_heads();
  config.vocab_size = tokenizer.vocab_size;
  config.max_position_embeddings = shape.max_position_embeddings();
  config.rope_theta = shape.rope_theta();
  config.rms_norm_eps = shape.rms_norm_eps();
  config.tie_word_embeddings = shape.tie_word_embeddings();
  config.initializer_range = shape.initializer_range();
  config.eos_token_ids = {tokenizer.eos_token_id};
  AHA_RETURN_IF_ERROR(config.Validate());
  return config;
}

}  // namespace

absl::StatusOr<ModelSetup> SetUpModel(const v1::Model& model) {
  ModelSetup setup;
  AHA_ASSIGN_OR_RETURN(setup.dtype, ResolveDType(model.dtype()));
  if (model.has_path()) {
    AHA_ASSIGN_OR_RETURN(setup.config, ModelConfig::Load(model.path()));
    AHA_ASSIGN_OR_RETURN(setup.tokenizer, Tokenizer::Load(model.path()));
    return setup;
  }
  const TokenizerFiles files = CharacterTokenizer();
  AHA_ASSIGN_OR_RETURN(setup.config, ConfigOf(model.architecture(), files));
  AHA_ASSIGN_OR_RETURN(
      setup.tokenizer,
      Tokenizer::Parse(files.tokenizer_json, files.tokenizer_config_json));
  return setup;
}

}  // namespace aha::actor
