// A resolved job as plain numbers: what a service needs to know about the
// stages of a job, without asking for the kind of a stage.
//
//   const JobPlan plan = MakePlan(job);
//   for (const StagePlan& stage : plan.stages) {
//     if (stage.samples()) largest = std::max(largest, stage.num_generations);
//   }
//
// What a kind of stage means is said by its traits, and the kind itself fills
// in the numbers (job/stages/).  A plan is immutable once it is made; it needs
// no gRPC.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "absl/strings/string_view.h"
#include "absl/time/time.h"
#include "aha/v1/job.pb.h"

namespace aha {

// Which process takes the scored groups of a stage from the reward service.
enum class GroupConsumer {
  kNone,         // The stage samples nothing.
  kLearner,      // A step of the learner consumes them.
  kCoordinator,  // They are a result: an evaluation, a data set.
};

// Which prompts the slots of a stage hold.
enum class PromptUse {
  kNone,              // The stage samples nothing.
  kTrainingShuffled,  // Training prompts; in each epoch another permutation.
  kTrainingInOrder,   // Slot k holds training prompt k.
  kHeldOutInOrder,    // Slot k holds held-out prompt k.
};

// What is true of every stage of one kind.
struct StageTraits {
  // The learner updates the weights, step by step.  If false, it publishes the
  // weights with which the stage begins as version 0 of the stage, once, and
  // the stage has one step, which the learner neither begins nor commits.
  bool trains = false;
  GroupConsumer consumer = GroupConsumer::kNone;
  PromptUse prompts = PromptUse::kNone;

  bool samples() const { return consumer != GroupConsumer::kNone; }
  // What progress is counted in: "steps" or "prompts".
  absl::string_view unit() const { return trains ? "steps" : "prompts"; }
};

struct StagePlan {
  std::string name;
  std::string kind;  // The `type` of the job file: "sft", "grpo", ...
  StageTraits traits;
  uint64_t steps = 1;            // Optimizer steps; 1 if it does not train.
  uint32_t groups = 0;           // In one step; 0 if it samples nothing.
  uint32_t num_generations = 0;  // Trajectories in a group; likewise.
  uint64_t lag = 0;              // In steps; 0 if it does not train.
  v1::Sampling sampling;         // Every key is set if the stage samples.

  bool trains() const { return traits.trains; }
  bool samples() const { return traits.samples(); }
  // What progress counts up to, in traits.unit().
  uint64_t units() const { return trains() ? steps : groups; }
};

struct JobPlan {
  v1::Job job;
  std::vector<StagePlan> stages;
  uint32_t learners = 1;
  absl::Duration lease = absl::Seconds(60);  // cluster.lease_seconds
  absl::Duration wait = absl::Seconds(300);  // cluster.wait_seconds
  uint64_t checkpoints_kept = 2;
};

// REQUIRES: the job is resolved (job/file/job.h).
JobPlan MakePlan(const v1::Job& job);

}  // namespace aha
