// What Certify (policy.h) runs.  Internal to model/.
//
// certify.cc has the kernels of the forward pass, certify_gradients.cc those of
// the backward pass.
#pragma once

#include <cstdint>
#include <functional>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "base/hash.h"
#include "base/thread_pool.h"
#include "device/context.h"
#include "device/dtype.h"
#include "model/config.h"
#include "model/policy.h"
#include "ops/matmul.h"

namespace aha {

class Certifier {
 public:
  Certifier(const ModelConfig& config, DType dtype, int threads)
      : config_(config),
        dtype_(dtype),
        size_(static_cast<int64_t>(SizeOf(dtype))),
        one_(1),
        many_(threads) {}

  absl::StatusOr<KernelCertificate> Run();

  // Computes the first or last m of kRows rows; out is [m, row_bytes].
  using Kernel =
      std::function<void(const ops::CpuContext& cpu, int64_t m, void* out)>;
  enum class Which { kFirst, kLast };
  static constexpr int64_t kRows = 128;
  // Runs the kernel over all batch sizes and thread counts; FAILED_PRECONDITION
  // if a row's bits depend on them.
  absl::Status Check(const std::string& name, int64_t row_bytes, Which which,
                     const Kernel& kernel);

 private:
  ops::CpuContext one() { return {&one_}; }
  // Fixed pseudo-random numbers in [-scale, scale).
  std::vector<float> RandomFloats(int64_t count, float scale);
  std::vector<char> Random(int64_t count, float scale);  // In dtype_.

  absl::Status CheckMatmul(int64_t k, int64_t n, ops::Into into);
  absl::Status CheckMatmuls();
  absl::Status CheckNorm();
  absl::Status CheckSwiGlu();
  absl::Status CheckAttention();
  absl::Status CheckHead();
  // The products that sum over a micro-batch's rows: threads must not matter,
  // and the digest holds the bits for every number of rows (there, another
  // number is another sum).
  absl::Status CheckWeightGradients();
  absl::Status CheckWeightGradient(int64_t n, int64_t k, const void* dy,
                                   const void* x);
  // The backward pass of one layer: threads must not matter.
  absl::Status CheckGradients();
  absl::StatusOr<Hash128> GradientHash(const ModelConfig& config,
                                       ThreadPool* pool);
  // The model with as many tokens as reach every shape of the head's tiles.
  ModelConfig Small() const;

  const ModelConfig config_;
  const DType dtype_;
  const int64_t size_;
  ThreadPool one_;
  ThreadPool many_;
  uint64_t stream_ = 0;  // So that no two inputs are alike.
  Hasher hasher_;
};

}  // namespace aha
