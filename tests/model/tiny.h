// A model of a few thousand weights for tests.
#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include "base/rng.h"
#include "gtest/gtest.h"
#include "model/backprop.h"
#include "model/config.h"
#include "model/parameters.h"
#include "model/policy.h"

namespace aha {

inline ModelConfig TinyConfig() {
  ModelConfig config;
  config.hidden_size = 16;
  config.intermediate_size = 40;
  config.num_hidden_layers = 2;
  config.num_attention_heads = 4;
  config.num_key_value_heads = 2;
  config.head_dim = 4;
  config.vocab_size = 30;
  config.max_position_embeddings = 160;
  config.eos_token_ids = {0};
  // The range is wide enough that attention and the head are far from uniform.
  config.initializer_range = 0.3;
  return config;
}

// The same in the shape of another family, with a head_dim that is not
// hidden_size / num_attention_heads where the family allows it.
inline ModelConfig TinyConfigOf(const std::string& model_type) {
  ModelConfig config = TinyConfig();
  config.model_type = model_type;
  if (model_type == "qwen3" || model_type == "qwen3_moe") config.head_dim = 6;
  if (model_type == "mistral") {
    config.sliding_window = 7;
    config.sliding_layers = {true, true};
  }
  if (model_type == "mixtral" || model_type == "qwen3_moe") {
    config.num_experts = 5;
    config.num_experts_per_tok = 2;
  }
  if (model_type == "mixtral") {
    config.moe_intermediate_size = config.intermediate_size;
    config.sparse_layers = {true, true};
  }
  if (model_type == "qwen3_moe") {
    config.moe_intermediate_size = 24;
    config.norm_topk_prob = false;
    config.sparse_layers = {true, false};
  }
  if (model_type == "gemma3_text") {
    config.head_dim = 6;
    config.sliding_window = 9;
    config.sliding_layers = {true, false};
    config.query_pre_attn_scalar = 5;
    config.rope_theta = 1e6;
    config.rope_scaling.type = RopeType::kLinear;
    config.rope_scaling.factor = 4;
  }
  return config;
}

// Adds or drops layers; those with a window or with experts stay where they
// are.
inline void SetLayers(int64_t layers, ModelConfig* config) {
  config->num_hidden_layers = layers;
  for (std::vector<bool>* kinds :
       {&config->sliding_layers, &config->sparse_layers}) {
    if (!kinds->empty()) kinds->resize(static_cast<size_t>(layers), true);
  }
}

inline constexpr const char* kModelTypes[] = {"gemma3_text", "llama", "mistral",
                                              "mixtral",     "qwen2", "qwen3",
                                              "qwen3_moe"};

// Random weights with gains other than 1 and biases other than 0, so that
// forgetting one of them shows.
inline Parameters TinyParameters(const ModelConfig& config, uint64_t seed,
                                 DType dtype) {
  Parameters parameters = RandomParameters(config, seed, dtype);
  for (const TensorInfo& info : parameters.layout().tensors()) {
    if (info.decays) continue;
    const float first = info.initial == InitialValue::kZero ? -0.4f : 0.8f;
    for (int64_t i = 0; i < info.count; ++i) {
      StoreElement(parameters.data(), info.offset + i,
                   first + 0.03f * static_cast<float>(i % 30), dtype);
    }
  }
  return parameters;
}

inline std::vector<int32_t> RandomTokens(uint64_t seed, int64_t count,
                                         int64_t vocab) {
  const RandomKey key(seed, RandomPurpose::kTest);
  std::vector<int32_t> tokens;
  for (int64_t i = 0; i < count; ++i) {
    tokens.push_back(static_cast<int32_t>(
        key.Below(static_cast<uint64_t>(i), static_cast<uint32_t>(vocab))));
  }
  return tokens;
}

inline std::unique_ptr<Policy> MakePolicy(const Parameters& parameters,
                                          const ModelConfig& config,
                                          ThreadPool* pool) {
  auto policy =
      Policy::Create(config, parameters.dtype(), ops::CpuContext{pool});
  EXPECT_TRUE(policy.ok()) << policy.status();
  EXPECT_TRUE((*policy)->Load(parameters).ok());
  return *std::move(policy);
}

}  // namespace aha
