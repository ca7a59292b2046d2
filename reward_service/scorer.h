// A scorer gives a completion its reward.  The service uses MakeRuleScorer
// (rule_scorer.h); tests give their own.
#pragma once

#include <functional>

#include "absl/status/statusor.h"
#include "reward_service/assembler.h"

namespace aha::reward {

// An error means that this side failed, never that the completion is bad: it
// must not become a reward.  INVALID_ARGUMENT: trying again will not help.
// Called from several threads at once.
using Scorer = std::function<absl::StatusOr<Score>(const Completion&)>;

}  // namespace aha::reward
