// Runs recipes/tiny.yaml or another job on real processes and compares it with
// an undisturbed run of the same job with one actor and one learner.
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

// The library's move is noexcept, contrary to what clang-tidy concludes.
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

// Returns the undisturbed run of tiny.yaml, which each test process runs once.
const Outcome& Reference();

void ExpectSucceeded(const Outcome& outcome);
// Expects that both succeeded with the same bits and as many comparisons.
void ExpectSame(const Outcome& outcome, const Outcome& reference);
inline void ExpectSameAsReference(const Outcome& outcome) {
  ExpectSame(outcome, Reference());
}

// Returns a pid, or 0 if there is none. `who` is a name or a role, which stands
// for its first process.
pid_t PidOf(const LocalCluster& cluster, const std::string& who);

// Waits for a moment of the run: until `step` steps are done, and then for a
// short time that the key determines.
void WaitForMoment(const LocalCluster& cluster, int64_t step,
                   const RandomKey& key);

// Kills all processes of the cluster at once, ahactl last.
void KillEverything(LocalCluster& cluster);

}  // namespace aha::testing
