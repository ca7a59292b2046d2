// Log-probabilities of given completions, and gradients of a loss on them.
#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/types/span.h"
#include "model/gradient_sum.h"
#include "model/policy.h"

namespace aha {

// tokens[prompt_length ..] are the targets; each is predicted from all tokens
// before it.  REQUIRES: 1 <= prompt_length <= tokens.size().
struct TrainSequence {
  std::vector<int32_t> tokens;
  int64_t prompt_length = 0;
};

// The input of a loss: one entry for each target token, sequences concatenated
// in order.
struct TargetScores {
  absl::Span<const float> logprobs;  // ln p(target), at the temperature.
  // Entropy of the distribution that predicts each target, in nats.
  absl::Span<const float> entropies;
};

// Computes a loss from the scores and writes its derivatives into
// dloss_dlogprob, which is as long as the scores and holds zeros before.
using LossFunction = std::function<absl::Status(
    const TargetScores& scores, absl::Span<float> dloss_dlogprob)>;

// Thread-compatible.
class Backprop {
 public:
  // `policy` is not owned.
  static absl::StatusOr<std::unique_ptr<Backprop>> Create(Policy* policy);
  ~Backprop();

  // Forward over one micro-batch, `loss` on its scores, backward, and adds the
  // gradient to *sum.  The gradient's bits are a function of the sequences and
  // their order alone.  Sequences whose dloss_dlogprob is zero throughout may
  // be skipped in the backward pass.  Activations of one micro-batch are alive
  // at a time.
  absl::Status Accumulate(absl::Span<const TrainSequence> sequences,
                          float temperature, const LossFunction& loss,
                          GradientSum* sum);

  // Forward only: ln p of every target, concatenated.
  absl::StatusOr<std::vector<float>> LogProbs(
      absl::Span<const TrainSequence> sequences, float temperature);

 private:
  struct Impl;
  explicit Backprop(std::unique_ptr<Impl> impl);
  std::unique_ptr<Impl> impl_;
};

}  // namespace aha
