// Norm is the RMSNorm of the residual stream with which a block begins, and
// which the head reads: its gains, the op and its gradient.
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

// The numbers of a tensor as floats, the format of gains and biases.
std::vector<float> ToFloats(const Parameters& parameters,
                            const TensorInfo& tensor);

class Norm {
 public:
  // `gains` [cols] must outlive the norm; they are zero until Load.
  Norm(BlockEnvironment* environment, const TensorInfo& gains, double epsilon);

  void Load(const Parameters& parameters);

  // y [rows, cols], the environment's dtype; inv_rms [rows] may be null.
  void Forward(const float* x, int64_t rows, void* y, float* inv_rms);

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
  float epsilon_;
  std::vector<float> gains_;
};

}  // namespace aha
