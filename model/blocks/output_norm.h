// OutputNorm is how a block's last product reaches the residual stream: added
// to it as it is, or, in models that norm what a block adds (Gemma), added
// after an RMSNorm of its rows.
//
// Internal to model/. Thread-compatible.
#pragma once

#include <cstdint>
#include <optional>

#include "absl/status/statusor.h"
#include "model/blocks/block.h"
#include "model/blocks/norm.h"
#include "model/blocks/product.h"
#include "model/carver.h"

namespace aha {

// What Forward keeps: the product [rows, hidden], and a number a row. Both are
// empty without a norm.
struct OutputNormActivations {
  Activation output, inv_rms;
};
inline OutputNormActivations ActivationsOfOutputNorm(bool normed,
                                                     int64_t hidden) {
  constexpr int64_t kFloat = sizeof(float);
  return {.output = {normed ? hidden * kFloat : 0, ActivationUse::kSaved},
          .inv_rms = {normed ? kFloat : 0, ActivationUse::kBackward}};
}

// The memory of Backward's doutput [rows, hidden]; null without a norm.
inline float* CarveOutputGradient(bool normed, int64_t rows, int64_t hidden,
                                  Carver* carver) {
  return normed ? carver->Take<float>(rows * hidden) : nullptr;
}

class OutputNorm {
 public:
  // Of these gains, which must outlive it; null: no norm.
  OutputNorm(BlockEnvironment* environment, const TensorInfo* gains,
             const NormRule& rule) {
    if (gains != nullptr) norm_.emplace(environment, *gains, rule);
  }

  void Load(const Parameters& parameters) {
    if (norm_) norm_->Load(parameters);
  }

  struct ForwardArgs {
    const void* x;  // [rows, product->in()], the environment's dtype
    float* stream;  // [rows, hidden], added to
    int64_t rows;
    float* output;   // Like the activations; not used without a norm.
    float* inv_rms;  // Like the activations; may be null.
  };
  void Forward(Product* product, const ForwardArgs& args);

  struct BackwardArgs {
    const float* output;   // What Forward wrote.
    const float* inv_rms;  // What Forward wrote.
    const float* dx;       // [rows, hidden]: the gradient of the stream
    float* doutput;        // From CarveOutputGradient.
    float* dgains;         // [hidden]: scratch
    int64_t rows;
  };
  // Returns the gradient of the product's result: dx itself without a norm,
  // else doutput, and then the gains' gradient was added to *sum.
  absl::StatusOr<const float*> Backward(const BackwardArgs& args,
                                        GradientSum* sum);

 private:
  std::optional<Norm> norm_;
};

}  // namespace aha
