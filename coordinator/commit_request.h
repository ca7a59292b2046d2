// Reads what rank 0 of the learners commits: a step or a checkpoint, as the
// record that the store keeps.
//
// INVALID_ARGUMENT names the field, the rule and the value.  Whether the job
// stands where the commit says is not decided here.  Pure functions.
#pragma once

#include "absl/status/statusor.h"
#include "absl/time/time.h"
#include "aha/v1/coordinator.pb.h"
#include "coordinator/state_store.h"
#include "job/plan.h"

namespace aha::coordinator {

// A step is consumed whole: its slots are all slots, in order.  `now` is for
// the line of metrics.jsonl.
absl::StatusOr<CommitRecord> ReadCommit(const v1::CommitStepRequest& request,
                                        const JobPlan& plan, absl::Time now);

// The directory must be relative and stay inside the run directory.
absl::StatusOr<CheckpointRecord> ReadCheckpoint(
    const v1::CommitCheckpointRequest& request);

}  // namespace aha::coordinator
