// Checks of what enters the reward service: whether a context and a trajectory
// are well-formed.  Errors are INVALID_ARGUMENT with the field, the rule and
// the value.
//
// Pure functions.
#pragma once

#include "absl/status/status.h"
#include "aha/v1/rollout.pb.h"

namespace aha::reward {

inline constexpr int kMaxTokens = 1 << 20;
inline constexpr int kMaxTextBytes = 4 << 20;

absl::Status ValidateContext(const v1::GroupContext& context);
// REQUIRES: ValidateContext(context).
absl::Status ValidateTrajectory(const v1::GroupContext& context,
                                const v1::Trajectory& trajectory);

}  // namespace aha::reward
