// The exact schedule (docs/design.md section 4): which weights, which prompt,
// which rank and which learning rate a place in the job has.  Each is a pure
// function of the job and that place.
#pragma once

#include <cstdint>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "base/rng.h"

namespace aha {

// The policy version that groups of `step` are sampled with.
inline uint64_t SamplingVersion(uint64_t step, uint64_t lag) {
  return step > lag ? step - lag : 0;
}

// The learner rank that a slot's group belongs to.  REQUIRES: world_size >= 1.
inline uint32_t OwnerRank(uint32_t slot, uint32_t world_size) {
  return slot % world_size;
}

// The image of `i` under a permutation of [0, n) that the key chooses.
// Constant expected time and memory (a Feistel network, walked until it lands
// inside).  REQUIRES: i < n, n <= 2^62.
uint64_t Permute(const RandomKey& key, uint64_t i, uint64_t n);

// The order of one stage's prompts.
struct PromptOrder {
  uint64_t seed = 0;  // The job's.
  uint32_t stage = 0;
  uint64_t num_prompts = 0;       // At least 1.
  uint32_t prompts_per_step = 0;  // At least 1.
};

// The index of the prompt that slot `slot` of step `step` holds.  Slots are
// counted through the whole stage.  Every num_prompts of them are an epoch, in
// which each prompt comes once, in an order that only that epoch has.  (A stage
// that takes prompts in order needs none of this: its slot is the index.)
uint64_t PromptIndex(const PromptOrder& order, uint64_t step, uint32_t slot);

struct LearningRateSchedule {
  enum class Type { kConstant, kCosine };
  static absl::StatusOr<Type> ParseType(absl::string_view text);

  Type type = Type::kConstant;
  double peak = 1e-6;
  double min_ratio = 0.1;     // Where cosine ends, as a fraction of peak.
  uint64_t warmup_steps = 0;  // Linear: peak/warmup_steps at step 0.
  uint64_t total_steps = 1;   // Steps of the stage.

  absl::Status Validate() const;
  // The learning rate of the update that step `step` (from 0) makes.
  double At(uint64_t step) const;
};

}  // namespace aha
