// The policy being trained: its weights, the optimizer, and the versions of it
// that a step computes with.
//
// Every rank holds the same bits: Update is a pure function of the state and
// the summed gradient, which the ranks have all-reduced.  The master weights
// are fp32 and stay so over the stages of a job; the moments begin anew in
// every stage, so the number of updates equals the stage's step.
//
// Memory, for P parameters: 8P moments, 8P gradient sum, 4P weights and master
// together; a second copy of the weights only if the stage's lag asks for it.
// fp32 weights are the master themselves; of bf16 ones only what rounding
// dropped is kept beside them (ops/split_master.h).
// A version's policy holds packed copies of small weights and borrows large
// ones, so the buffer of a version stays where it is while its policy lives.
//
// Owned by one thread.
#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/types/span.h"
#include "aha/v1/job.pb.h"
#include "base/hash.h"
#include "base/thread_pool.h"
#include "model/backprop.h"
#include "model/config.h"
#include "model/gradient_sum.h"
#include "model/parameters.h"
#include "model/policy.h"
#include "rl/schedule.h"

namespace aha::learner {

// One stage, as far as the optimizer is concerned.
struct UpdateSettings {
  v1::Optimizer optimizer;
  uint64_t steps = 1;           // Of the stage.
  bool keep_previous = false;   // The version before the current (lag 1).
  bool keep_reference = false;  // The stage's first version (beta > 0).
};

// What of the state a checkpoint holds.
struct SavedState {
  std::optional<Parameters> weights;
  std::optional<Parameters> previous;   // Absent if not needed.
  std::optional<Parameters> reference;  // Likewise.
  std::vector<float> m, v;
  std::vector<uint16_t> low;  // Of the master; filled by TakeMaster.

  // Master weights begin, begin + 1, ...; every piece once.  DATA_LOSS if they
  // do not round to the weights.  REQUIRES: weights, m and v are there.
  absl::Status TakeMaster(int64_t begin, absl::Span<const float> master);
};

struct UpdateResult {
  double grad_norm = 0;  // Before clipping.
  double learning_rate = 0;
};

class ModelState {
 public:
  // `pool` is not owned.
  static absl::StatusOr<std::unique_ptr<ModelState>> Create(
      const ModelConfig& config, DType dtype, ThreadPool* pool);

  // Begins from these weights alone.
  absl::Status Reset(Parameters weights);
  // Goes on from a checkpoint.
  absl::Status Restore(SavedState saved);

  // REQUIRES: Reset or Restore.  With first_step 0 the moments are cleared and
  // the reference is the current weights.  FAILED_PRECONDITION: first_step > 0
  // and the state lacks a version that the stage needs.
  absl::Status BeginStage(const UpdateSettings& settings, uint64_t first_step);

  // Makes version step + 1 out of version `step`: gradient = sums /
  // denominator, clipped; then AdamW.  A denominator of 0 means that nothing
  // was counted: the gradient is 0.  FAILED_PRECONDITION if a weight would not
  // be finite: then the state is no version any more.
  absl::StatusOr<UpdateResult> Update(uint64_t step, double denominator);

  GradientSum& sums() { return *sums_; }
  Backprop& current() { return *current_.backprop; }
  // Null if there is none.
  Backprop* previous() {
    return has_previous_ ? previous_.backprop.get() : nullptr;
  }
  Backprop* reference() { return reference_.backprop.get(); }

  const ModelConfig& config() const { return config_; }
  DType dtype() const { return dtype_; }
  const Parameters& weights() const { return *weights_; }
  const Parameters* previous_weights() const {
    return has_previous_ ? &*previous_weights_ : nullptr;
  }
  const Parameters* reference_weights() const {
    return reference_weights_ ? &*reference_weights_ : nullptr;
  }
  // Numbers begin, begin + 1, ... of the flat fp32 state.
  void CopyMaster(int64_t begin, absl::Span<float> out) const;
  void CopyM(int64_t begin, absl::Span<float> out) const;
  void CopyV(int64_t begin, absl::Span<float> out) const;

 private:
  struct Version {
    std::unique_ptr<Policy> policy;
    std::unique_ptr<Backprop> backprop;
  };

  ModelState(const ModelConfig& config, DType dtype, ThreadPool* pool)
      : config_(config), dtype_(dtype), pool_(*pool) {}
  absl::StatusOr<Version> NewVersion(const Parameters& weights) const;
  absl::Status SetUpReference(uint64_t first_step);
  // Makes the weights out of those at `from`, which may be the same.
  void ApplyAdamW(const void* from, uint64_t step, double gradient_scale,
                  double learning_rate);
  Parameters CopyOfWeights() const;

  const ModelConfig config_;
  const DType dtype_;
  ThreadPool& pool_;
  UpdateSettings settings_;
  LearningRateSchedule schedule_;

  std::optional<Parameters> weights_;
  std::vector<float> m_, v_;   // v's sign: ops::AdamWArgs.
  std::vector<uint16_t> low_;  // Empty if the weights are fp32.
  std::unique_ptr<GradientSum> sums_;
  Version current_;
  // Both copies exist once the stage needs them; they are the version before
  // only if has_previous_.
  std::optional<Parameters> previous_weights_;
  Version previous_;
  bool has_previous_ = false;
  std::optional<Parameters> reference_weights_;
  Version reference_;
};

}  // namespace aha::learner
