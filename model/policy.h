// A policy ready to compute: a model's shape and one version of its weights,
// packed for this CPU's GEMMs.
//
// The invariance contract (docs/design.md section 5): the log-probability of a
// token is a pure function of the weights and of its own prefix, never of
// batch, chunking, threads or process.  Generator and Backprop both compute it
// through the same code, so their log-probabilities are equal bit for bit.
#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "device/context.h"
#include "device/device.h"
#include "model/config.h"
#include "model/parameters.h"

namespace aha {

class Transformer;  // model/transformer.h: the layers; internal to model/.

// kSampling packs the weights for the forward pass alone: half the memory, and
// Backprop can score but not differentiate.  kLeanTraining packs a layer when
// it runs, from Load's parameters: a third of kTraining's memory, more time,
// the same bits.
enum class PolicyUse { kTraining, kLeanTraining, kSampling };

// Thread-compatible: one user at a time.
class Policy {
 public:
  // A policy on the context's device; what the context refers to must outlive
  // the policy.  The weights are zero until Load if kTraining; the others have
  // none and must be loaded first.
  static absl::StatusOr<std::unique_ptr<Policy>> Create(
      const ModelConfig& config, DType dtype, const ops::Context& context,
      PolicyUse use = PolicyUse::kTraining);
  ~Policy();

  // Packs another version. REQUIRES: no Generator is in the middle of a
  // sequence. `parameters` may be freed afterwards; kLeanTraining reads their
  // buffer until the next Load. If `used` is set, it is called with each part
  // of that buffer that is no longer needed.
  using Used = std::function<void(const void* data, int64_t bytes)>;
  absl::Status Load(const Parameters& parameters, const Used& used = nullptr);
  // Frees the weights until the next Load. REQUIRES: kSampling.
  void Unload();

  const ModelConfig& config() const;
  DType dtype() const;
  const ops::Context& context() const;
  Transformer& transformer() { return *transformer_; }

 private:
  Policy() = default;
  std::unique_ptr<Transformer> transformer_;
};

// docs/design.md section 5: hashes of this model's kernels over batch sizes and
// thread counts.  `digest` is equal for processes that compute equal bits.
struct KernelCertificate {
  std::string digest;         // 32 hex digits.
  std::string numeric_class;  // "bf16 avx512_bf16 | oneDNN 2.6.3 | ...".
};

// FAILED_PRECONDITION, naming the kernel, if a kernel's rows depend on batch
// size or threads.  Takes well under a second for small models.
absl::StatusOr<KernelCertificate> Certify(const ModelConfig& config,
                                          DType dtype, ops::Device device,
                                          int threads);

}  // namespace aha
