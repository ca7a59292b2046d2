// Converts between the wire's messages and the engine's values.  Pure
// functions.
#pragma once

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "actor/rollout_engine.h"
#include "aha/v1/coordinator.pb.h"
#include "aha/v1/rollout.pb.h"
#include "model/generator.h"

namespace aha::actor {

// INVALID_ARGUMENT names the field, the rule and the value.
absl::Status ValidateLease(const v1::Lease& lease);

// `lease` has passed ValidateLease and its context has its prompt's token ids.
EngineGroup ToEngineGroup(const v1::Lease& lease, uint64_t ticket,
                          uint64_t seed);

// `completion` is the tokens' text.
v1::Trajectory ToTrajectory(const Sample& sample, std::string completion);

}  // namespace aha::actor
