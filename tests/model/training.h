// A micro-batch, a loss and its gradient, which the tests of the backward pass
// share.
#pragma once

#include <vector>

#include "gtest/gtest.h"
#include "tests/model/tiny.h"

namespace aha {

// Returns three sequences. One is longer than a KV block, and the one between
// has no targets.
inline std::vector<TrainSequence> Sequences(int64_t vocab) {
  return {{RandomTokens(1, 9, vocab), 3},
          {RandomTokens(2, 5, vocab), 5},
          {RandomTokens(3, 45, vocab), 30},
          {RandomTokens(4, 2, vocab), 1}};
}

// Returns completions of one prompt that is longer than a KV block: of 10
// tokens, of 5, of 18 whose first token is that of another one, the first
// again, and of 8 after a prompt that is one token shorter.
inline std::vector<TrainSequence> GroupSequences(int64_t vocab) {
  const std::vector<int32_t> prompt = RandomTokens(5, 40, vocab);
  const auto after = [&](uint64_t seed, int64_t length) {
    std::vector<int32_t> tokens = prompt;
    const std::vector<int32_t> more = RandomTokens(seed, length, vocab);
    tokens.insert(tokens.end(), more.begin(), more.end());
    return tokens;
  };
  std::vector<TrainSequence> sequences = {
      {after(6, 10), 40}, {after(7, 5), 40}, {after(8, 18), 40}};
  sequences[2].tokens[40] = sequences[1].tokens[40];
  sequences.push_back(sequences[0]);
  sequences.push_back({after(9, 7), 39});
  sequences[4].tokens[39] = static_cast<int32_t>((prompt[39] + 1) % vocab);
  return sequences;
}

// The loss is L = sum_i c_i logprob_i with fixed c.
inline float Coefficient(size_t i) {
  return i % 3 == 0 ? -0.5f : 0.25f + 0.1f * i;
}

inline absl::Status LinearLoss(const TargetScores& scores,
                               absl::Span<float> dloss) {
  EXPECT_EQ(scores.logprobs.size(), dloss.size());
  EXPECT_EQ(scores.entropies.size(), dloss.size());
  for (size_t i = 0; i < dloss.size(); ++i) {
    EXPECT_EQ(dloss[i], 0);
    dloss[i] = Coefficient(i);
  }
  return absl::OkStatus();
}

inline GradientSum Gradient(const Parameters& parameters,
                            const ModelConfig& config,
                            const std::vector<TrainSequence>& sequences,
                            float temperature,
                            const LossFunction& loss = LinearLoss) {
  ThreadPool pool(2);
  const auto policy = MakePolicy(parameters, config, &pool);
  const auto backprop = Backprop::Create(policy.get());
  GradientSum sum(parameters.shared_layout());
  const absl::Status status =
      (*backprop)->Accumulate(sequences, temperature, loss, &sum);
  EXPECT_TRUE(status.ok()) << status;
  return sum;
}

inline double At(const GradientSum& sum, int64_t index) {
  return static_cast<double>(sum.sums()[static_cast<size_t>(index)]) /
         GradientSum::kScale;
}

}  // namespace aha
