// The recorded checksums of a small job in many settings.
//
// A change of the code that is not meant to change results must leave every
// one of these as it is; a change that is meant to says so in CHANGELOG.md and
// replaces the values in the same commit.  Each setting is compared in fp32 on
// the AVX2 path, and in bf16 by the emulation of AVX512-BF16 (device/isa.h), so
// every machine compares every value.  recipes/tiny.yaml shows that the
// emulation is exact there: its bf16 value is that of machines with the
// instructions, and such a machine computes it natively, too.  The bf16 values
// of the other jobs were never computed natively.
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
  std::string fp32;  // On avx2.
  std::string bf16;  // On emulated_avx512_bf16.
};

// What the test's name and a failure's message show.
void PrintTo(const Setting& setting, std::ostream* out) {
  *out << setting.name;
}

std::vector<Setting> Settings() {
  const std::string grpo = "stages[2].grpo.";
  return {
      {"AsWritten",
       {},
       "150d84c31b3c278f427cb3314b9478c1",
       "b5d4b941b73d1d2ccb0a8b927c5210d9"},
      {"LagOne",
       {grpo + "lag=1"},
       "5c88d833ee3eefb188cb0aa96782e58b",
       "92b6b5bbe95e06732a3f241cd7ec847a"},
      {"KlPenalty",
       {grpo + "beta=0.05"},
       "26589653b1fede5e9923308154f3644e",
       "cb955a92f51ad88831f2f172ecfae0a3"},
      {"Dapo",
       {grpo + "loss_type=dapo", grpo + "epsilon_high=0.28"},
       "0ae7c3c2204d5e8eb0b43968f780f7f3",
       "7858aa308e9f1eba85f1526fac65282e"},
      {"DrGrpo",
       {grpo + "loss_type=dr_grpo", grpo + "scale_rewards=none"},
       "25ca7c505f24e8a2f88728a3be8045ec",
       "c67735466aebce39ca15805d4042b2e0"},
      {"Bnpo",
       {grpo + "loss_type=bnpo", grpo + "scale_rewards=batch",
        grpo + "mask_truncated_completions=true"},
       "c1109ef4f7daa37a3fcce5cea6607c21",
       "8c2bfb7ec0755f0d517859c2566f71a1"},
      {"SequenceLevel",
       {grpo + "importance_sampling_level=sequence", grpo + "lag=1",
        grpo + "epsilon=0.0003"},
       "b4319993da12e0dad2679d24120f57e8",
       "bdef484826f4dbd4e8fcb2d86c168fcb"},
      {"TwoSidedClipping",
       {grpo + "delta=1.5", grpo + "lag=1", grpo + "epsilon=0.02"},
       "350f8f5adba99f8e2542b162595dffd0",
       "1d6fe2cf3b9654700123c1715e3f89a0"},
      {"RestrictedSampling",
       {"sampling.temperature=0.8", "sampling.top_p=0.9", "sampling.top_k=12"},
       "9e4e35bb3279737c2c296e2bd02dd891",
       "0873e3bbaabe40c20da5813e614e5cd8"},
  };
}

class ChecksumNetTest : public ::testing::TestWithParam<Setting> {
 protected:
  // Runs the job with the setting on an instruction set.
  std::string ChecksumOn(const std::string& isa) {
    EXPECT_EQ(::setenv("AHA_CPU_ISA", isa.c_str(), 1), 0);
    std::vector<std::string> arguments;
    for (const std::string& set : GetParam().sets) {
      arguments.insert(arguments.end(), {"--set", set});
    }
    TempDir scratch;
    LocalCluster cluster(SourceFile("tests/integration/checksum_net.yaml"),
                         scratch.path() + "/run", arguments);
    const Outcome outcome = Finish(cluster);
    ExpectSucceeded(outcome);
    return outcome.checksum;
  }
};

TEST_P(ChecksumNetTest, TheRecordedChecksumComesOut) {
  EXPECT_EQ(ChecksumOn("avx2"), GetParam().fp32);
}

TEST_P(ChecksumNetTest, TheRecordedChecksumComesOutInBf16) {
  EXPECT_EQ(ChecksumOn("emulated_avx512_bf16"), GetParam().bf16);
}

INSTANTIATE_TEST_SUITE_P(All, ChecksumNetTest, ::testing::ValuesIn(Settings()),
                         [](const auto& setting) {
                           return setting.param.name;
                         });

TEST(ChecksumNet, TheTinyRecipeHasItsRecordedChecksumOnEveryPath) {
  std::vector<std::string> sets = {"avx2", "emulated_avx512_bf16"};
  if (CpuHas("avx512_bf16")) sets.emplace_back("avx512_bf16");
  for (const std::string& isa : sets) {
    ASSERT_EQ(::setenv("AHA_CPU_ISA", isa.c_str(), 1), 0);
    const Outcome outcome = RunTiny({});
    ExpectSucceeded(outcome);
    EXPECT_EQ(outcome.checksum,
              isa == "avx2" ? kTinyChecksumFp32 : kTinyChecksumBf16)
        << isa;
  }
}

// The negative control of the table: settings that do not reach the
// computation would all have one checksum.
TEST(ChecksumNet, EverySettingHasAChecksumOfItsOwn) {
  const std::vector<Setting> settings = Settings();
  for (size_t i = 0; i < settings.size(); ++i) {
    for (size_t j = 0; j < i; ++j) {
      EXPECT_NE(settings[i].fp32, settings[j].fp32)
          << settings[i].name << " and " << settings[j].name;
      EXPECT_NE(settings[i].bf16, settings[j].bf16)
          << settings[i].name << " and " << settings[j].name;
    }
  }
}

}  // namespace
}  // namespace aha::testing
