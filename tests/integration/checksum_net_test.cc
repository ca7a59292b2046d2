// The recorded checksums of a small job in many settings.
//
// A change of the code that is not meant to change results must leave every
// one of these as it is; a change that is meant to says so in CHANGELOG.md and
// replaces the values in the same commit.  Settings are compared on the AVX2
// path, which every machine has; recipes/tiny.yaml also on the best path of
// this machine.  The machine on which the values were recorded has neither
// AVX-512 nor its bf16 instructions, so this job's values on those paths are
// not recorded yet.
//
// To print the values after a change that is meant:
//   build/release/tests/checksum_net_test 2>&1 | grep -A1 'Which is'
#include <cstdlib>
#include <string>
#include <vector>

#include "gtest/gtest.h"
#include "tests/integration/local_cluster.h"
#include "tests/integration/outcome.h"
#include "tests/tiny_checksum.h"

namespace aha::testing {
namespace {

struct Setting {
  std::string name;
  std::vector<std::string> sets;
  std::string checksum;
};

// What the test's name and a failure's message show.
void PrintTo(const Setting& setting, std::ostream* out) {
  *out << setting.name;
}

std::vector<Setting> Settings() {
  const std::string grpo = "stages[2].grpo.";
  return {
      {"AsWritten", {}, "150d84c31b3c278f427cb3314b9478c1"},
      {"LagOne", {grpo + "lag=1"}, "5c88d833ee3eefb188cb0aa96782e58b"},
      {"KlPenalty", {grpo + "beta=0.05"}, "26589653b1fede5e9923308154f3644e"},
      {"Dapo",
       {grpo + "loss_type=dapo", grpo + "epsilon_high=0.28"},
       "0ae7c3c2204d5e8eb0b43968f780f7f3"},
      {"DrGrpo",
       {grpo + "loss_type=dr_grpo", grpo + "scale_rewards=none"},
       "25ca7c505f24e8a2f88728a3be8045ec"},
      {"Bnpo",
       {grpo + "loss_type=bnpo", grpo + "scale_rewards=batch",
        grpo + "mask_truncated_completions=true"},
       "c1109ef4f7daa37a3fcce5cea6607c21"},
      {"SequenceLevel",
       {grpo + "importance_sampling_level=sequence", grpo + "lag=1",
        grpo + "epsilon=0.0003"},
       "b4319993da12e0dad2679d24120f57e8"},
      {"TwoSidedClipping",
       {grpo + "delta=1.5", grpo + "lag=1", grpo + "epsilon=0.02"},
       "350f8f5adba99f8e2542b162595dffd0"},
      {"RestrictedSampling",
       {"sampling.temperature=0.8", "sampling.top_p=0.9", "sampling.top_k=12"},
       "9e4e35bb3279737c2c296e2bd02dd891"},
  };
}

class ChecksumNetTest : public ::testing::TestWithParam<Setting> {};

TEST_P(ChecksumNetTest, TheRecordedChecksumComesOut) {
  const Setting& setting = GetParam();
  ASSERT_EQ(::setenv("AHA_CPU_ISA", "avx2", 1), 0);
  std::vector<std::string> arguments;
  for (const std::string& set : setting.sets) {
    arguments.insert(arguments.end(), {"--set", set});
  }
  TempDir scratch;
  LocalCluster cluster(SourceFile("tests/integration/checksum_net.yaml"),
                       scratch.path() + "/run", arguments);
  const Outcome outcome = Finish(cluster);
  ExpectSucceeded(outcome);
  EXPECT_EQ(outcome.checksum, setting.checksum);
}

INSTANTIATE_TEST_SUITE_P(All, ChecksumNetTest, ::testing::ValuesIn(Settings()),
                         [](const auto& setting) {
                           return setting.param.name;
                         });

TEST(ChecksumNet, TheTinyRecipeHasItsRecordedChecksumOnTheBestPath) {
  if (TinyChecksum().empty()) {
    GTEST_SKIP() << "no checksum is recorded for this CPU's best path";
  }
  const Outcome outcome = RunTiny({});
  ExpectSucceeded(outcome);
  EXPECT_EQ(outcome.checksum, TinyChecksum());
}

// The negative control of the table: settings that do not reach the
// computation would all have one checksum.
TEST(ChecksumNet, EverySettingHasAChecksumOfItsOwn) {
  const std::vector<Setting> settings = Settings();
  for (size_t i = 0; i < settings.size(); ++i) {
    for (size_t j = 0; j < i; ++j) {
      EXPECT_NE(settings[i].checksum, settings[j].checksum)
          << settings[i].name << " and " << settings[j].name;
    }
  }
}

}  // namespace
}  // namespace aha::testing
