// The interface through which the rollout engine samples groups with one
// policy. actor/policy_sampler.h implements it; tests use a fake.
#pragma once

#include <cstdint>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "actor/weight_buffer.h"
#include "model/generator.h"

namespace aha::actor {

// Thread-compatible: only the engine's thread uses it.  The contracts are those
// of Generator.
class Sampler {
 public:
  virtual ~Sampler() = default;

  // Swaps the weights and may use up the buffer.  REQUIRES: idle().
  virtual absl::Status Load(WeightBuffer& weights) = 0;
  // Frees the weights; Load before the next Submit.  REQUIRES: idle().
  virtual void Unload() = 0;

  virtual absl::Status Submit(GroupRequest request) = 0;
  virtual absl::StatusOr<std::vector<Sample>> Step() = 0;
  virtual void Cancel(uint64_t group) = 0;
  virtual bool idle() const = 0;
  virtual int64_t queued_samples() const = 0;
  virtual int64_t live_samples() const = 0;
};

}  // namespace aha::actor
