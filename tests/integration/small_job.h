// A job that ends within a second, and parts of it that tests replace.
#pragma once

namespace aha::testing {

inline constexpr char kSmallModel[] =
    R"(architecture: {hidden_size: 32, intermediate_size: 64,
                        num_hidden_layers: 1, num_attention_heads: 2,
                        num_key_value_heads: 2, max_position_embeddings: 64})";
inline constexpr char kSmallPrompts[] =
    "generated: {min_operations: 1, max_operations: 1}";
inline constexpr char kSmallJob[] = R"(name: small
seed: 7
model: {architecture: {hidden_size: 32, intermediate_size: 64,
                        num_hidden_layers: 1, num_attention_heads: 2,
                        num_key_value_heads: 2, max_position_embeddings: 64}}
prompts: {max_prompt_length: 56,
          generated: {min_operations: 1, max_operations: 1}}
rewards: [{type: contains}]
sampling: {max_completion_length: 8}
stages: [{name: grpo, type: grpo,
          grpo: {steps: 3, prompts_per_step: 2, num_generations: 2}}]
cluster: {learners: 1}
)";

}  // namespace aha::testing
