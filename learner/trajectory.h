// Trajectories of the wire as the numbers they carry.  Pure functions.
#pragma once

#include <vector>

#include "aha/v1/rollout.pb.h"
#include "base/hash.h"
#include "model/backprop.h"

namespace aha::learner {

// REQUIRES: logprobs holds whole floats.
std::vector<float> LogProbsOf(const v1::Trajectory& trajectory);

// Prompt and completion, as the trainer wants them.
TrainSequence SequenceOf(const v1::GroupContext& context,
                         const v1::Trajectory& trajectory);

// rl/checksum.h's digest of the group.
Hash128 DigestOf(const v1::ScoredGroup& group);

// One line of rollouts/step-NNNNNN.jsonl, newline included.
std::string RolloutLine(const v1::GroupContext& context,
                        const v1::ScoredTrajectory& scored, float advantage);

}  // namespace aha::learner
