// Certifier is what Certify (policy.h) runs: the model's kernels over batch
// sizes and thread counts, each result hashed into the certificate.
//
// Each block brings its own kernels (BlockSpec::Certify) and checks them with
// the functions here; the certifier adds the head, and the gradient of a whole
// small model.
//
// Internal to model/. Thread-compatible.
#pragma once

#include <cstdint>
#include <functional>
#include <set>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "base/hash.h"
#include "base/thread_pool.h"
#include "device/context.h"
#include "device/device.h"
#include "device/dtype.h"
#include "model/config.h"
#include "model/policy.h"
#include "ops/matmul.h"
#include "ops/route.h"
#include "ops/swiglu.h"

namespace aha {

class Certifier {
 public:
  // `threads` is the larger of the two numbers of threads that are compared.
  Certifier(const ModelConfig& config, DType dtype, ops::Device device,
            int threads)
      : config_(config),
        dtype_(dtype),
        device_(device),
        one_(1),
        many_(threads) {}

  absl::StatusOr<KernelCertificate> Run();

  // For blocks.

  DType dtype() const { return dtype_; }
  // One thread, for what is only prepared.
  ops::Context one() { return ops::ContextOf(device_, &one_); }
  // Fixed pseudo-random numbers in [-scale, scale).
  std::vector<float> RandomFloats(int64_t count, float scale);

  // Computes the first or last m of kRows rows; out is [m, row_bytes].
  using Kernel =
      std::function<void(const ops::Context& device, int64_t m, void* out)>;
  enum class Which { kFirst, kLast };
  static constexpr int64_t kRows = 128;
  // Runs the kernel over all batch sizes and thread counts; FAILED_PRECONDITION
  // if a row's bits depend on them.
  absl::Status Check(const std::string& name, int64_t row_bytes, Which which,
                     const Kernel& kernel);

  // A Product (blocks/product.h): forward, gradient of its input, gradient of
  // its weights. What was checked before is not checked again.
  struct ProductShape {
    int64_t in, out;
    ops::Into into;  // How the forward pass uses it.
  };
  absl::Status CheckProduct(const ProductShape& shape);
  // The norm of a block's input, likewise.
  absl::Status CheckNorm(int64_t cols, double epsilon);
  // A gated linear unit of this width.
  absl::Status CheckGatedUnit(int64_t cols, ops::Gate gate);
  // The choice of experts and the sum over them.
  struct ExpertsShape {
    int64_t hidden, experts, active;
    ops::RouteWeights weights;
  };
  absl::Status CheckExperts(const ExpertsShape& shape);
  // The norm of a block's output, which is added to the residual stream.
  absl::Status CheckAddedNorm(int64_t cols, double epsilon);

 private:
  std::vector<char> Random(int64_t count, float scale);  // In dtype_.
  // True the first time that it is called with a name.
  bool IsNew(const std::string& name) { return checked_.insert(name).second; }

  absl::Status CheckBlocks();
  absl::Status CheckMatmul(int64_t k, int64_t n, ops::Into into);
  absl::Status CheckHead();
  // dw [n, k], a sum over the rows of a micro-batch: threads must not matter,
  // and the digest holds the bits for every number of rows (there, another
  // number is another sum).
  absl::Status CheckWeightGradient(int64_t n, int64_t k);
  absl::Status CheckHeadWeightGradients();
  // The backward pass of one layer: threads must not matter.
  absl::Status CheckGradients();
  absl::StatusOr<Hash128> GradientHash(const ModelConfig& config,
                                       const ops::Context& context);
  // The model with one layer of each kind, and as many tokens as reach every
  // shape of the head's tiles.
  ModelConfig Small() const;

  const ModelConfig config_;
  const DType dtype_;
  const ops::Device device_;
  ThreadPool one_;
  ThreadPool many_;
  uint64_t stream_ = 0;  // So that no two inputs are alike.
  std::set<std::string> checked_;
  std::vector<char> weight_gradient_dy_, weight_gradient_x_;
  Hasher hasher_;
};

}  // namespace aha
