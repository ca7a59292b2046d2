// Converts trajectories of the wire into what the trainer computes with, and
// into lines of the rollout files.  Pure functions.
#pragma once

#include <string>

#include "aha/v1/rollout.pb.h"
#include "model/backprop.h"

namespace aha::learner {

// Prompt and completion as one sequence to train on.
TrainSequence SequenceOf(const v1::GroupContext& context,
                         const v1::Trajectory& trajectory);

// One line of rollouts/step-NNNNNN.jsonl, newline included.  `rendered_prompt`
// is the text of the context's tokens.
std::string MakeRolloutLine(const v1::GroupContext& context,
                            const std::string& rendered_prompt,
                            const v1::ScoredTrajectory& scored,
                            float advantage);

}  // namespace aha::learner
