// Norm is an RMSNorm of rows as wide as the residual stream: the one with which
// a block begins, the one after a block's output where a model has it, and the
// one that the head reads. It holds the gains and calls the op and its
// gradient.
//
// Internal to model/. Thread-compatible.
#pragma once

#include <cstdint>
#include <vector>

#include "absl/status/status.h"
#include "model/blocks/environment.h"
#include "model/gradient_sum.h"
#include "model/parameters.h"

namespace aha {

// How a model norms.
struct NormRule {
  double epsilon = 0;
  // The stored numbers are the gains less 1, as Gemma stores them.
  bool less_one = false;

  InitialValue initial() const {
    return less_one ? InitialValue::kZero : InitialValue::kOne;
  }
};

// The numbers of a tensor as floats, the format of gains and biases.
std::vector<float> ToFloats(const Parameters& parameters,
                            const TensorInfo& tensor);
// The gains that a tensor stores.
std::vector<float> ToGains(const Parameters& parameters,
                           const TensorInfo& tensor, const NormRule& rule);

class Norm {
 public:
  // `gains` [cols] must outlive the norm; they are zero until Load.
  Norm(BlockEnvironment* environment, const TensorInfo& gains,
       const NormRule& rule);

  int64_t cols() const { return tensor_->count; }

  void Load(const Parameters& parameters);

  // y [rows, cols], the environment's dtype; inv_rms [rows] may be null.
  void Forward(const float* x, int64_t rows, void* y, float* inv_rms);
  // The same, in fp32 and added to y.
  void ForwardInto(const float* x, int64_t rows, float* y, float* inv_rms);

  struct BackwardArgs {
    const float* x;        // [rows, cols], as forward
    const float* inv_rms;  // [rows], of forward
    const float* dy;       // [rows, cols]
    float* dx;             // [rows, cols], added to
    float* dgains;         // [cols]: scratch
    int64_t rows;
  };
  absl::Status Backward(const BackwardArgs& args, GradientSum* sum);

 private:
  BlockEnvironment* environment_;
  const TensorInfo* tensor_;
  const NormRule rule_;
  std::vector<float> gains_;
};

}  // namespace aha
