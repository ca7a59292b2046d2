#include "model/blocks/norm.h"

#include "ops/rms_norm.h"

namespace aha {

std::vector<float> ToFloats(const Parameters& parameters,
                            const TensorInfo& tensor) {
  std::vector<float> floats(static_cast<size_t>(tensor.count));
  for (int64_t i = 0; i < tensor.count; ++i) {
    floats[static_cast<size_t>(i)] =
        LoadElement(parameters.data(), tensor.offset + i, parameters.dtype());
  }
  return floats;
}

Norm::Norm(BlockEnvironment* environment, const TensorInfo& gains,
           double epsilon)
    : environment_(environment),
      tensor_(&gains),
      epsilon_(static_cast<float>(epsilon)),
      gains_(static_cast<size_t>(gains.count)) {}

void Norm::Load(const Parameters& parameters) {
  gains_ = ToFloats(parameters, *tensor_);
}

void Norm::Forward(const float* x, int64_t rows, void* y, float* inv_rms) {
  ops::RmsNorm(environment_->context(), {.x = x,
                                         .gamma = gains_.data(),
                                         .y = y,
                                         .inv_rms = inv_rms,
                                         .rows = rows,
                                         .cols = tensor_->count,
                                         .eps = epsilon_,
                                         .dtype = environment_->dtype()});
}

absl::Status Norm::Backward(const BackwardArgs& args, GradientSum* sum) {
  ops::RmsNormGrad(environment_->context(), {.x = args.x,
                                             .gamma = gains_.data(),
                                             .inv_rms = args.inv_rms,
                                             .dy = args.dy,
                                             .dx = args.dx,
                                             .dgamma = args.dgains,
                                             .rows = args.rows,
                                             .cols = tensor_->count});
  return sum->Add(*tensor_, args.dgains, environment_->context());
}

}  // namespace aha
