// recipes/tiny.yaml, or another job, on real processes, compared with an
// undisturbed run of it with one actor and one learner.
#pragma once

#include <sys/types.h>

#include <cstdint>
#include <string>
#include <vector>

#include "absl/time/time.h"
#include "base/rng.h"
#include "nlohmann/json.hpp"
#include "tests/integration/local_cluster.h"

namespace aha::testing {

inline constexpr absl::Duration kRunLimit = absl::Minutes(4);

// The library's move is noexcept, whatever clang-tidy finds below it.
// NOLINTNEXTLINE(bugprone-exception-escape)
struct Outcome {
  int exit_code = 0;
  std::string checksum;
  std::string weights;
  nlohmann::json summary;
  std::string output;
};

// Waits for the end.
Outcome Finish(LocalCluster& cluster);
Outcome RunTiny(const std::vector<std::string>& arguments);

// The undisturbed run of tiny.yaml, once a process.
const Outcome& Reference();

void ExpectSucceeded(const Outcome& outcome);
// Both succeeded, with the same bits and as many comparisons.
void ExpectSame(const Outcome& outcome, const Outcome& reference);
inline void ExpectSameAsReference(const Outcome& outcome) {
  ExpectSame(outcome, Reference());
}

// `who` is a name or, for the first of it, a role; 0 if none lives.
pid_t PidOf(const LocalCluster& cluster, const std::string& who);

// Waits for a moment of the run: after `step` steps, plus a little that the
// key decides.
void WaitForMoment(const LocalCluster& cluster, int64_t step,
                   const RandomKey& key);

// Kills every process of the cluster at once, ahactl last.
void KillEverything(LocalCluster& cluster);

}  // namespace aha::testing
