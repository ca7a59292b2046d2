// The recorded checksums of a small job in many settings.
//
// A change of the code that is not meant to change results must leave every
// one of these as it is; a change that is meant to says so in CHANGELOG.md and
// replaces the values in the same commit.  Settings are compared on the AVX2
// path, which every machine has; the job as it is written also on the two
// others, where the CPU has them.
//
// To print the values after a change that is meant:
//   build/release/tests/checksum_net_test 2>&1 | grep -A1 'Which is'
#include <cstdlib>
#include <fstream>
#include <string>
#include <vector>

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "gtest/gtest.h"
#include "tests/integration/local_cluster.h"
#include "tests/integration/outcome.h"

namespace aha::testing {
namespace {

struct Setting {
  std::string name;
  std::string isa;       // The value of AHA_CPU_ISA.
  std::string cpu_flag;  // What /proc/cpuinfo calls it.
  std::vector<std::string> sets;
  std::string checksum;
};

// What the test's name and a failure's message show.
void PrintTo(const Setting& setting, std::ostream* out) {
  *out << setting.name;
}

Setting OnAvx2(const std::string& name, const std::vector<std::string>& sets,
               const std::string& checksum) {
  return {name, "avx2", "avx2", sets, checksum};
}

std::vector<Setting> Settings() {
  const std::string grpo = "stages[2].grpo.";
  return {
      OnAvx2("Fp32OnAvx2", {}, "?"),
      {"Fp32OnAvx512", "avx512", "avx512dq", {}, "?"},
      {"Bf16OnAvx512Bf16", "avx512_bf16", "avx512_bf16", {}, "?"},
      OnAvx2("LagOne", {grpo + "lag=1"}, "?"),
      OnAvx2("KlPenalty", {grpo + "beta=0.05"}, "?"),
      OnAvx2("Dapo", {grpo + "loss_type=dapo", grpo + "epsilon_high=0.28"},
             "?"),
      OnAvx2("DrGrpo",
             {grpo + "loss_type=dr_grpo", grpo + "scale_rewards=none"}, "?"),
      OnAvx2("Bnpo",
             {grpo + "loss_type=bnpo", grpo + "scale_rewards=batch",
              grpo + "mask_truncated_completions=true"},
             "?"),
      OnAvx2("SequenceLevel",
             {grpo + "importance_sampling_level=sequence", grpo + "lag=1",
              grpo + "epsilon=0.0003"},
             "?"),
      OnAvx2("TwoSidedClipping",
             {grpo + "delta=1.5", grpo + "lag=1", grpo + "epsilon=0.02"}, "?"),
      OnAvx2("RestrictedSampling",
             {"sampling.temperature=0.8", "sampling.top_p=0.9",
              "sampling.top_k=12"},
             "?"),
  };
}

bool CpuHas(const std::string& flag) {
  std::ifstream cpuinfo("/proc/cpuinfo");
  for (std::string line; std::getline(cpuinfo, line);) {
    if (absl::StartsWith(line, "flags")) {
      return absl::StrContains(absl::StrCat(line, " "),
                               absl::StrCat(" ", flag, " "));
    }
  }
  return false;
}

class ChecksumNetTest : public ::testing::TestWithParam<Setting> {};

TEST_P(ChecksumNetTest, TheRecordedChecksumComesOut) {
  const Setting& setting = GetParam();
  if (!CpuHas(setting.cpu_flag)) {
    GTEST_SKIP() << "this CPU has no " << setting.cpu_flag;
  }
  ASSERT_EQ(::setenv("AHA_CPU_ISA", setting.isa.c_str(), 1), 0);
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
