// Converts trajectories of the wire into what the trainer computes with, and
// into lines of the rollout files.  Pure functions.
#pragma once

#include <vector>

#include "aha/v1/rollout.pb.h"
#include "base/hash.h"
#include "model/backprop.h"

namespace aha::learner {

// REQUIRES: logprobs holds whole floats.
std::vector<float> LogProbsOf(const v1::Trajectory& trajectory);

// Prompt and completion as one sequence to train on.
TrainSequence SequenceOf(const v1::GroupContext& context,
                         const v1::Trajectory& trajectory);

// The digest of the group, as defined in rl/checksum.h.
Hash128 DigestOf(const v1::ScoredGroup& group);

// One line of rollouts/step-NNNNNN.jsonl, newline included.
std::string MakeRolloutLine(const v1::GroupContext& context,
                            const v1::ScoredTrajectory& scored,
                            float advantage);

}  // namespace aha::learner
