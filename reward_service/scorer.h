// What scores a completion.  The body that the service uses is made of
// rewards/reward_rules.h; tests give their own.
#pragma once

#include <functional>

#include "absl/status/statusor.h"
#include "reward_service/assembler.h"

namespace aha::reward {

// An error means that our side failed, never that the completion is bad: it
// must not become a reward.  Called from several threads at once.
using Scorer = std::function<absl::StatusOr<Score>(const Question& question)>;

}  // namespace aha::reward
