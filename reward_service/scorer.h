// A scorer gives a completion its reward.  The service uses JobScorer
// (job_scorer.h); tests give their own.
#pragma once

#include <functional>

#include "absl/status/statusor.h"
#include "reward_service/assembler.h"

namespace aha::reward {

// Called once with the result, from any thread, perhaps before the scorer
// returns.
using ScoreDone = std::function<void(absl::StatusOr<Score>)>;

// An error means that this side failed, never that the completion is bad: it
// must not become a reward.  INVALID_ARGUMENT: trying again will not help.
// Called from several threads at once.
using Scorer = std::function<void(Completion completion, ScoreDone done)>;

// A scorer that has its result at once.
inline Scorer Immediate(
    std::function<absl::StatusOr<Score>(const Completion&)> score) {
  return [score = std::move(score)](const Completion& completion,
                                    const ScoreDone& done) {
    done(score(completion));
  };
}

}  // namespace aha::reward
