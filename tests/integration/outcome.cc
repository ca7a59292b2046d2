#include "tests/integration/outcome.h"

#include <signal.h>

#include "absl/time/clock.h"
#include "gtest/gtest.h"

namespace aha::testing {

Outcome Finish(LocalCluster& cluster) {
  Outcome outcome;
  outcome.exit_code = cluster.Wait(kRunLimit);
  outcome.summary = cluster.Summary();
  outcome.output = cluster.Output();
  if (outcome.summary.is_object()) {
    outcome.checksum = outcome.summary.value("checksum", "");
    outcome.weights = outcome.summary.value("weights_checksum", "");
  }
  return outcome;
}

Outcome RunTiny(const std::vector<std::string>& arguments) {
  TempDir scratch;
  LocalCluster cluster(Recipe("tiny.yaml"), scratch.path() + "/run", arguments);
  return Finish(cluster);
}

const Outcome& Reference() {
  static const Outcome& outcome = *new Outcome(RunTiny({}));
  return outcome;
}

void ExpectSucceeded(const Outcome& outcome) {
  ASSERT_EQ(outcome.exit_code, 0) << outcome.output;
  ASSERT_EQ(outcome.summary.value("state", ""), "succeeded") << outcome.output;
  ASSERT_EQ(outcome.checksum.size(), 32u);
  // Every log-probability that an actor recorded equals the learner's, bit for
  // bit.
  const nlohmann::json& exact = outcome.summary["exact"];
  EXPECT_GT(exact.value("tokens_compared", 0), 0);
  EXPECT_EQ(exact.value("tokens_differing", -1), 0);
}

void ExpectSame(const Outcome& outcome, const Outcome& reference) {
  ExpectSucceeded(reference);
  ExpectSucceeded(outcome);
  EXPECT_EQ(outcome.checksum, reference.checksum) << outcome.output;
  EXPECT_EQ(outcome.weights, reference.weights);
  EXPECT_EQ(outcome.summary["exact"]["tokens_compared"],
            reference.summary["exact"]["tokens_compared"]);
}

pid_t PidOf(const LocalCluster& cluster, const std::string& who) {
  for (const Process& process : cluster.Processes()) {
    if (process.name == who || process.role == who) return process.pid;
  }
  return 0;
}

void WaitForMoment(const LocalCluster& cluster, int64_t step,
                   const RandomKey& key) {
  cluster.WaitForSteps(step, absl::Minutes(1));
  const absl::Time end = absl::Now() + absl::Milliseconds(key.Below(
                                           static_cast<uint64_t>(step), 150));
  Eventually([&] { return absl::Now() > end; }, absl::Seconds(1));
}

void KillEverything(LocalCluster& cluster) {
  for (const Process& process : cluster.Processes()) {
    if (process.pid > 0 && process.pid != cluster.supervisor()) {
      kill(process.pid, SIGKILL);
    }
  }
  cluster.Signal(SIGKILL);
  cluster.Wait(absl::Seconds(10));
}

}  // namespace aha::testing
