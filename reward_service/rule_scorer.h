// The scorer that a job file asks for: the weighted sum of its verifiers.
#pragma once

#include "absl/status/statusor.h"
#include "aha/v1/job.pb.h"
#include "base/clock.h"
#include "reward_service/scorer.h"

namespace aha::reward {

// INVALID_ARGUMENT: a reward of the job that rewards/verifier.h does not know.
//
// The scorer gives each verifier the job's wait_seconds by `clock`.  Its errors
// are INVALID_ARGUMENT for a reference or fields that a verifier cannot judge
// by, and UNAVAILABLE for a verifier's infrastructure failure.
absl::StatusOr<Scorer> MakeRuleScorer(const v1::Job& job, Clock clock);

}  // namespace aha::reward
