// A resolved job as the coordinator sees it: stages, steps and groups as plain
// numbers.  Immutable; pure functions.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "absl/time/time.h"
#include "aha/v1/coordinator.pb.h"
#include "aha/v1/job.pb.h"

namespace aha::coordinator {

enum class StageType { kSft, kGrpo, kEval };

struct StagePlan {
  std::string name;
  StageType type = StageType::kSft;
  uint64_t steps = 1;            // 1 for eval.
  uint32_t groups = 0;           // In one step; 0 for sft.
  uint32_t num_generations = 0;  // Trajectories in a group.
  uint64_t lag = 0;
  v1::SamplingSpec sampling;  // Of grpo and eval.

  bool trains() const { return type != StageType::kEval; }
  // What progress counts: steps, or the prompts of an eval stage.
  uint64_t units() const { return trains() ? steps : groups; }
};

struct JobPlan {
  v1::Job job;
  std::vector<StagePlan> stages;
  uint32_t learners = 1;
  absl::Duration lease = absl::Seconds(60);
  absl::Duration wait = absl::Seconds(300);
  uint64_t checkpoints_kept = 2;
};

// REQUIRES: the job is resolved (job/file/job.h).
JobPlan MakePlan(const v1::Job& job);

const char* TypeName(StageType type);  // "sft", "grpo", "eval"

}  // namespace aha::coordinator
