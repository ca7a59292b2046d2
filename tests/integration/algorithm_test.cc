// Every preset of grpo.algorithm trains, and what it sets reaches the result.
#include "rl/algorithm.h"

#include <map>
#include <string>
#include <vector>

#include "absl/strings/str_cat.h"
#include "gtest/gtest.h"
#include "tests/integration/local_cluster.h"
#include "tests/integration/outcome.h"

namespace aha::testing {
namespace {

// With lag 1 the policy ratio differs from 1, so that clipping matters too.
std::string ChecksumWith(const std::vector<std::string>& keys) {
  std::vector<std::string> arguments = {"--set", "stages[2].grpo.lag=1"};
  for (const std::string& key : keys) {
    arguments.insert(arguments.end(),
                     {"--set", absl::StrCat("stages[2].grpo.", key)});
  }
  TempDir scratch;
  LocalCluster cluster(SourceFile("tests/integration/checksum_net.yaml"),
                       scratch.path() + "/run", arguments);
  const Outcome outcome = Finish(cluster);
  ExpectSucceeded(outcome);
  return outcome.checksum;
}

TEST(AlgorithmJobTest, EveryPresetTrainsToAResultOfItsOwn) {
  std::map<std::string, std::string> algorithm_of;
  for (const Algorithm& algorithm : Algorithms()) {
    const std::string name(algorithm.name);
    const std::string checksum =
        ChecksumWith({absl::StrCat("algorithm=", name)});
    const auto [other, fresh] = algorithm_of.emplace(checksum, name);
    EXPECT_TRUE(fresh) << name << " and " << other->second;
  }
}

TEST(AlgorithmJobTest, APresetIsTheKeysThatItSets) {
  EXPECT_EQ(ChecksumWith({"algorithm=dapo"}),
            ChecksumWith({"loss_type=dapo", "epsilon_high=0.28",
                          "mask_truncated_completions=true"}));
}

TEST(AlgorithmJobTest, AJobThatNamesNoneRunsGrpo) {
  EXPECT_EQ(ChecksumWith({}), ChecksumWith({"algorithm=grpo"}));
}

}  // namespace
}  // namespace aha::testing
