// The algorithms that a grpo stage can run, by name: each is a choice of
// advantage, loss and bounds, with the paper that it comes from.  The job
// file's grpo.algorithm and `aha-model loss --algorithm` read this table.
//
// An algorithm of parts that exist is one line of the table in algorithm.cc and
// its name in job.proto (Grpo.algorithm).  docs/algorithms.md has the formulas.
//
// Pure functions.
#pragma once

#include <string>

#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "absl/types/span.h"
#include "rl/advantage.h"
#include "rl/losses.h"

namespace aha {

struct Algorithm {
  absl::string_view name;
  absl::string_view source;  // The paper.
  absl::string_view help;    // What it is, and what of the paper is not here.
  AdvantageOptions advantage = {};
  // max_completion_length is the job's, and 0 here.
  LossOptions loss = {};
};

// In the order of job.proto; the first is what a job file gets that names none.
absl::Span<const Algorithm> Algorithms();
// INVALID_ARGUMENT with the names that there are.
absl::StatusOr<const Algorithm*> FindAlgorithm(absl::string_view name);

// What a step must hand to SequenceLoss beside the log-probabilities of the
// policy that is trained.
struct LossNeeds {
  bool old_logprobs =
      true;  // Under the policy that sampled: every ratio's base.
  bool ref_logprobs = false;  // Under the reference policy, for the KL.
};
LossNeeds NeedsOf(const LossOptions& options);

}  // namespace aha
