// The policy that is being trained: its weights, the optimizer's state, and the
// earlier versions that a step computes with.
//
// Every rank holds all weights; the optimizer's state (moments, and what bf16
// rounding dropped of the fp32 master weights) is sharded over the ranks, and
// rank r keeps and updates elements [begin, end) of shards()[r] only.  An
// update is collective:
//
//   1. Reduce-scatter: a rank receives the summed gradient of its shard.
//   2. The ranks exchange the sums of squares of fixed blocks (a shard is a
//      number of whole blocks) and add them in order: the gradient's norm.
//   3. AdamW on the shard.
//   4. All-gather: a rank receives the other ranks' new weights.
//
// Each of these is exact or has a fixed order, so Update is a pure function of
// the state and the terms of the gradient, the same bits for any number of
// ranks.
//
// The master weights are fp32 and stay so over the stages of a job; the moments
// begin again in every stage, so the number of updates equals the stage's step.
//
// Memory in bytes, for P parameters and N ranks (Memory says it for a state):
// 8P/N moments; 8P gradient sum; 4P weights if they are fp32, 2P + 2P/N if they
// are bf16; the weights once more for each of the previous and the reference
// version, where the stage needs them.  fp32 weights are the master themselves;
// for bf16 ones the lower halves are kept beside them (ops/split_master.h).
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
#include "comm/communicator.h"
#include "comm/shard.h"
#include "device/context.h"
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
  uint64_t steps = 1;           // Steps of the stage.
  bool keep_previous = false;   // The version before the current (lag 1).
  bool keep_reference = false;  // The stage's first version (beta > 0).
};

// The place of a rank among those that the optimizer's state is sharded over.
struct Sharding {
  int rank = 0;
  int ranks = 1;
  friend bool operator==(const Sharding&, const Sharding&) = default;
};

// The elements of the flat state that each rank keeps, for `count` parameters:
// whole blocks of ops::kSquaresBlock elements, but for the end of the last one.
std::vector<comm::Shard> OptimizerShards(int64_t count, int ranks);

// The part of a checkpoint's state that one rank keeps.
struct SavedState {
  std::optional<Parameters> weights;
  std::optional<Parameters> previous;   // Absent if not needed.
  std::optional<Parameters> reference;  // Absent if not needed.
  Sharding sharding;
  // Elements of this rank's shard of OptimizerShards.
  std::vector<float> m, v;
  std::vector<uint16_t>
      low;  // Lower 16 bits of the master; filled by TakeMaster.

  comm::Shard shard() const;  // REQUIRES: weights.
  // Takes master weights `begin`, `begin` + 1, ... of the flat state, which lie
  // in the shard; every piece once.  DATA_LOSS if they do not round to the
  // weights.  REQUIRES: weights, m and v are there.
  absl::Status TakeMaster(int64_t begin, absl::Span<const float> master);
};

// The bytes that a ModelState holds for a stage; what backpropagation holds
// beside it is not counted.
struct StateMemory {
  int64_t optimizer = 0;      // This rank's shard.
  int64_t optimizer_all = 0;  // All ranks together.
  int64_t gradient = 0;
  int64_t weights = 0;  // All versions that are kept.
};

struct UpdateResult {
  double grad_norm = 0;  // Before clipping.
  double learning_rate = 0;
};

class ModelState {
 public:
  // It computes on the context's device; what the context refers to must
  // outlive the state.
  static absl::StatusOr<std::unique_ptr<ModelState>> Create(
      const ModelConfig& config, DType dtype, const ops::Context& context);

  // Begins from these weights alone.
  absl::Status Reset(Parameters weights, const Sharding& sharding);
  // Continues from a checkpoint.
  absl::Status Restore(SavedState saved);

  // REQUIRES: Reset or Restore.  With first_step 0 the moments are cleared and
  // the reference is the current weights.  FAILED_PRECONDITION: first_step > 0
  // and the state lacks a version that the stage needs.
  absl::Status BeginStage(const UpdateSettings& settings, uint64_t first_step);

  // Makes version step + 1 out of version `step`: gradient = sums /
  // denominator, clipped; then AdamW.  A denominator of 0 means that nothing
  // was counted: the gradient is 0.  Collective: every rank of sharding() calls
  // it and gets the same result.  After an error the state is not a version any
  // more.  OUT_OF_RANGE: a gradient sum is too large.  FAILED_PRECONDITION: a
  // weight would not be finite.
  absl::StatusOr<UpdateResult> Update(uint64_t step, double denominator,
                                      comm::Communicator& comm);

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
  // REQUIRES of these: Reset or Restore.
  const Sharding& sharding() const { return sharding_; }
  absl::Span<const comm::Shard> shards() const { return shards_; }
  const comm::Shard& shard() const {
    return shards_[static_cast<size_t>(sharding_.rank)];
  }
  StateMemory Memory() const;
  // Elements begin, begin + 1, ... of the flat fp32 state.  REQUIRES: they lie
  // in shard().
  void CopyMaster(int64_t begin, absl::Span<float> out) const;
  void CopyM(int64_t begin, absl::Span<float> out) const;
  void CopyV(int64_t begin, absl::Span<float> out) const;

 private:
  struct Version {
    std::unique_ptr<Policy> policy;
    std::unique_ptr<Backprop> backprop;
  };

  ModelState(const ModelConfig& config, DType dtype,
             const ops::Context& context)
      : config_(config), dtype_(dtype), context_(context) {}
  absl::StatusOr<Version> NewVersion(const Parameters& weights) const;
  absl::Status SetUpReference(uint64_t first_step);
  // The sum of the squares of the summed gradient, and whether it is in range.
  absl::StatusOr<double> SquaresOfGradient(comm::Communicator& comm) const;
  absl::Status GatherWeights(comm::Communicator& comm);
  // Makes the weights of the shard out of those at `from`, which may be the
  // same.
  void ApplyAdamW(const void* from, uint64_t step, double gradient_scale,
                  double learning_rate);
  Parameters CopyOfWeights() const;

  const ModelConfig config_;
  const DType dtype_;
  const ops::Context context_;
  UpdateSettings settings_;
  LearningRateSchedule schedule_;

  std::optional<Parameters> weights_;
  Sharding sharding_;
  std::vector<comm::Shard> shards_;  // By rank.
  // Elements of this rank's shard.
  std::vector<float> m_, v_;   // v's sign: ops::AdamWArgs.
  std::vector<uint16_t> low_;  // Empty if the weights are fp32.
  std::unique_ptr<GradientSum> sums_;
  Version current_;
  // Both exist once the stage needs them, and hold the version before the
  // current one only if has_previous_.
  std::optional<Parameters> previous_weights_;
  Version previous_;
  bool has_previous_ = false;
  std::optional<Parameters> reference_weights_;
  Version reference_;
};

}  // namespace aha::learner
