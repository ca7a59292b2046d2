// The scorer that the job file asks for: the weighted sum of its rules.
#pragma once

#include "absl/status/statusor.h"
#include "aha/v1/job.pb.h"
#include "reward_service/scorer.h"

namespace aha::reward {

absl::StatusOr<Scorer> MakeRuleScorer(const v1::Job& job);

}  // namespace aha::reward
