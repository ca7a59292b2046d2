// Product is a matrix product y = x w^T of a block with the matrix w of one
// tensor, or of several that stand side by side in the parameter layout (the
// projections to q, k and v, say), and its two gradients.
//
// Internal to model/. Thread-compatible.
#pragma once

#include <cstdint>
#include <memory>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/types/span.h"
#include "model/blocks/environment.h"
#include "model/gradient_sum.h"
#include "model/parameters.h"
#include "ops/matmul.h"

namespace aha {

class Product {
 public:
  // The product with the tensors [out_i, in], whose table entries must outlive
  // it. Its weights are zero until Load. The errors are those of
  // ops::PackedMatrix::Create.
  static absl::StatusOr<Product> Create(BlockEnvironment* environment,
                                        absl::Span<const TensorInfo> tensors);

  int64_t in() const { return in_; }
  int64_t out() const { return out_; }  // The sum of out_i.

  // Does what Block::Load asks: packs the weights, or keeps a pointer if the
  // environment is lean.
  void Load(const Parameters& parameters);

  struct ForwardArgs {
    const void* x;  // [rows, in], the environment's dtype
    float* y;       // [rows, out]
    int64_t rows;
    ops::Into into = ops::Into::kOverwrite;
  };
  void Forward(const ForwardArgs& args);

  // dx [rows, in] = dy w. REQUIRES: the environment can train.
  void InputGradient(const void* dy, int64_t rows, float* dx);

  // Forward and InputGradient of several products of one environment, with the
  // same bits, at once if the environment is not lean. What one writes no other
  // may read or write. Products without rows are left out.
  struct ForwardOf {
    Product* product;
    ForwardArgs args;
  };
  static void ForwardAll(absl::Span<const ForwardOf> products);
  struct InputGradientOf {
    Product* product;
    const void* dy;
    int64_t rows;
    float* dx;
  };
  static void InputGradientAll(absl::Span<const InputGradientOf> products);

  struct WeightGradientArgs {
    const void* dy;  // [rows, out], the environment's dtype
    const void* x;   // [rows, in], likewise
    int64_t rows;
    float* dw;  // [out, in]: scratch
  };
  // *sum += dy^T x, each tensor's rows to its place.
  absl::Status AddWeightGradient(const WeightGradientArgs& args,
                                 GradientSum* sum);

 private:
  Product() = default;
  ops::MatmulArgs Prepare(const ForwardArgs& args) const;
  ops::MatmulArgs Prepare(const InputGradientOf& of) const;
  // The matrix with this product's weights packed from `source`.
  const ops::PackedMatrix& Ready(WeightMatrix* matrix,
                                 ops::PackedMatrix::Source source) const;

  BlockEnvironment* environment_ = nullptr;
  absl::Span<const TensorInfo> tensors_;
  int64_t in_ = 0;
  int64_t out_ = 0;
  std::shared_ptr<WeightMatrix> forward_;
  std::shared_ptr<WeightMatrix> gradient_;  // Null if only sampling.
  const void* weights_ = nullptr;  // In Load's buffer; null unless lean.
};

}  // namespace aha
