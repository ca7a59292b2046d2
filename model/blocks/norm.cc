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

std::vector<float> ToGains(const Parameters& parameters,
                           const TensorInfo& tensor, const NormRule& rule) {
  std::vector<float> gains = ToFloats(parameters, tensor);
  if (rule.less_one) {
    for (float& gain : gains) gain += 1;
  }
  return gains;
}

Norm::Norm(BlockEnvironment* environment, const TensorInfo& gains,
           const NormRule& rule)
    : environment_(environment),
      tensor_(&gains),
      rule_(rule),
      gains_(static_cast<size_t>(gains.count)) {}

void Norm::Load(const Parameters& parameters) {
  gains_ = ToGains(parameters, *tensor_, rule_);
}

void Norm::Forward(const float* x, int64_t rows, void* y, float* inv_rms) {
  ops::RmsNorm(environment_->context(),
               {.x = x,
                .gamma = gains_.data(),
                .y = y,
                .inv_rms = inv_rms,
                .rows = rows,
                .cols = tensor_->count,
                .eps = static_cast<float>(rule_.epsilon),
                .dtype = environment_->dtype()});
}

void Norm::ForwardInto(const float* x, int64_t rows, float* y, float* inv_rms) {
  ops::RmsNorm(environment_->context(),
               {.x = x,
                .gamma = gains_.data(),
                .y = y,
                .inv_rms = inv_rms,
                .rows = rows,
                .cols = tensor_->count,
                .eps = static_cast<float>(rule_.epsilon),
                .dtype = DType::kF32,
                .add = true});
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
