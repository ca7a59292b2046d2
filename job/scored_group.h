// What the consumers of scored groups share, the learner ranks and the
// coordinator: the check of what arrived, its digest, and the wire's encodings
// as values.  Pure functions.
#pragma once

#include <string>
#include <vector>

#include "absl/status/status.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/string_view.h"
#include "aha/v1/rollout.pb.h"
#include "base/hash.h"

namespace aha {

// The log-probabilities of the completion's tokens, in nats.  REQUIRES: the
// field holds whole floats.
std::vector<float> LogProbsOf(const v1::Trajectory& trajectory);

// Returns the finish reason as rollouts and data sets spell it: "stop" or
// "length".
std::string FinishReasonText(const v1::Trajectory& trajectory);

// The digest of the group, as defined in rl/checksum.h.
Hash128 DigestOf(const v1::ScoredGroup& group);

// "group (stage 0, step 4, slot 7)", for errors.
std::string NameOf(const v1::GroupKey& key);

// INVALID_ARGUMENT "group (...): FIELD must be RULE, is VALUE".
absl::Status InvalidGroup(const v1::ScoredGroup& group, absl::string_view field,
                          absl::AlphaNum rule, absl::AlphaNum value);

// Checks what holds in every stage for trajectory number `index` of the group:
// its number, that it has tokens and ended, and that its log-probabilities and
// rewards are numbers, as many as they must be.  `rewards` is the number of
// rewards of the job: a job that only samples may have none.
absl::Status CheckScored(const v1::ScoredGroup& group, int index, int rewards);

}  // namespace aha
