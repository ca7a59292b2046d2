#include "model/blocks/product.h"

#include "base/status.h"

namespace aha {

using ops::PackedMatrix;

absl::StatusOr<Product> Product::Create(BlockEnvironment* environment,
                                        absl::Span<const TensorInfo> tensors) {
  Product product;
  product.environment_ = environment;
  product.tensors_ = tensors;
  product.in_ = tensors.front().shape[1];
  for (const TensorInfo& tensor : tensors) product.out_ += tensor.shape[0];
  AHA_ASSIGN_OR_RETURN(product.forward_,
                       environment->Matrix(product.in_, product.out_));
  if (environment->can_train()) {
    AHA_ASSIGN_OR_RETURN(product.gradient_,
                         environment->Matrix(product.out_, product.in_));
  }
  return product;
}

void Product::Load(const Parameters& parameters) {
  // The tensors are one matrix [out, in], as they are side by side.
  const void* weights = parameters.tensor(tensors_.front());
  forward_->weights = nullptr;
  if (gradient_ != nullptr) gradient_->weights = nullptr;
  weights_ = weights;
  if (!environment_->lean()) {
    Ready(forward_.get(), PackedMatrix::Source::kTransposed);
    if (gradient_ != nullptr) {
      Ready(gradient_.get(), PackedMatrix::Source::kPlain);
    }
    weights_ = nullptr;  // The caller may free them.
  }
}

const PackedMatrix& Product::Ready(WeightMatrix* matrix,
                                   PackedMatrix::Source source) const {
  const bool packed = matrix->weights == weights_ && matrix->source == source;
  if (weights_ != nullptr && !packed) {
    matrix->matrix.Pack(environment_->context(), weights_, source);
    matrix->weights = weights_;
    matrix->source = source;
  }
  return matrix->matrix;
}

ops::MatmulArgs Product::Prepare(const ForwardArgs& args) const {
  return {.x = args.x,
          .b = &Ready(forward_.get(), PackedMatrix::Source::kTransposed),
          .y = args.y,
          .m = args.rows,
          .into = args.into};
}

ops::MatmulArgs Product::Prepare(const InputGradientOf& of) const {
  return {.x = of.dy,
          .b = &Ready(gradient_.get(), PackedMatrix::Source::kPlain),
          .y = of.dx,
          .m = of.rows};
}

void Product::Forward(const ForwardArgs& args) {
  ops::Matmul(environment_->context(), Prepare(args));
}

void Product::InputGradient(const void* dy, int64_t rows, float* dx) {
  ops::Matmul(environment_->context(),
              Prepare({.product = this, .dy = dy, .rows = rows, .dx = dx}));
}

void Product::ForwardAll(absl::Span<const ForwardOf> products) {
  std::vector<ops::MatmulArgs> ready;
  for (const ForwardOf& of : products) {
    if (of.args.rows == 0) continue;
    ready.push_back(of.product->Prepare(of.args));
    if (!of.product->environment_->lean()) continue;
    // Equal shapes share one matrix, which the next product packs again.
    ops::Matmul(of.product->environment_->context(), ready.back());
    ready.clear();
  }
  if (ready.empty()) return;
  ops::MatmulAll(products.front().product->environment_->context(), ready);
}

void Product::InputGradientAll(absl::Span<const InputGradientOf> products) {
  std::vector<ops::MatmulArgs> ready;
  for (const InputGradientOf& of : products) {
    if (of.rows == 0) continue;
    ready.push_back(of.product->Prepare(of));
    if (!of.product->environment_->lean()) continue;
    ops::Matmul(of.product->environment_->context(), ready.back());
    ready.clear();
  }
  if (ready.empty()) return;
  ops::MatmulAll(products.front().product->environment_->context(), ready);
}

absl::Status Product::AddWeightGradient(const WeightGradientArgs& args,
                                        GradientSum* sum) {
  ops::MatmulGradWeight(environment_->context(),
                        {.dy = args.dy,
                         .x = args.x,
                         .dw = args.dw,
                         .m = args.rows,
                         .n = out_,
                         .k = in_,
                         .dtype = environment_->dtype()});
  const float* dw = args.dw;
  for (const TensorInfo& tensor : tensors_) {
    AHA_RETURN_IF_ERROR(sum->Add(tensor, dw, environment_->context()));
    dw += tensor.count;
  }
  return absl::OkStatus();
}

}  // namespace aha
