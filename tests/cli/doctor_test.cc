#include "cli/commands/doctor.h"

#include <algorithm>
#include <set>

#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "tests/temp_dir.h"

namespace aha::cli {
namespace {

using ::testing::HasSubstr;

std::vector<Finding> Look(const std::string& directory,
                          const std::string& bin_dir) {
  DoctorOptions options;
  options.directory = directory;
  options.bin_dir = bin_dir;
  return Examine(options);
}

TEST(DoctorTest, WhatIsNotOkSaysWhatToDo) {
  const TempDir dir;
  for (const Finding& finding : Look(dir.path(), dir.path())) {
    EXPECT_FALSE(finding.found.empty()) << finding.name;
    EXPECT_EQ(finding.advice.empty(), finding.verdict == Verdict::kOk)
        << finding.name;
  }
}

TEST(DoctorTest, MissingProgramsAreAFailure) {
  const TempDir dir;
  for (const Finding& finding : Look(dir.path(), dir.path())) {
    if (finding.name != "programs") continue;
    EXPECT_EQ(finding.verdict, Verdict::kFail);
    EXPECT_THAT(finding.found, HasSubstr("aha-coordinator"));
    return;
  }
  FAIL() << "no check of the programs";
}

TEST(DoctorTest, LimitsDecide) {
  EXPECT_EQ(CheckCores(2).verdict, Verdict::kOk);
  EXPECT_EQ(CheckCores(1).verdict, Verdict::kWarn);
  EXPECT_EQ(CheckMemory(8ULL << 30).verdict, Verdict::kOk);
  EXPECT_EQ(CheckMemory(1ULL << 29).verdict, Verdict::kFail);
  EXPECT_EQ(CheckDisk(1ULL << 40).verdict, Verdict::kOk);
  EXPECT_EQ(CheckDisk(1ULL << 20).verdict, Verdict::kFail);
}

TEST(DoctorTest, TheCpuIsJudgedAsTheServicesJudgeIt) {
  const std::string avx2 = "fpu avx2 fma";
  const std::string avx512 = avx2 + " avx512f avx512bw avx512vl avx512dq";
  EXPECT_THAT(CheckIsa(avx512 + " avx512_bf16", "").found,
              HasSubstr("avx512_bf16, dtype auto means bf16"));
  EXPECT_THAT(CheckIsa(avx512, "").found, HasSubstr("avx512, dtype auto"));
  EXPECT_THAT(CheckIsa(avx2 + " avx512f avx512_bf16", "").found,
              HasSubstr("avx2, dtype auto means fp32"));
  EXPECT_EQ(CheckIsa("fpu avx2", "").verdict, Verdict::kFail);
  EXPECT_THAT(CheckIsa(avx512, "avx2").found, HasSubstr("avx2 (AHA_CPU_ISA)"));
  EXPECT_EQ(CheckIsa(avx2, "avx512").verdict, Verdict::kFail);
  EXPECT_THAT(CheckIsa(avx2, "emulated_avx512_bf16").found,
              HasSubstr("emulated_avx512_bf16 (AHA_CPU_ISA), dtype auto means "
                        "bf16"));
  EXPECT_THAT(CheckIsa(avx2, "sse9").advice, HasSubstr("set one of avx2"));
}

TEST(DoctorTest, AGpuIsSaidToBeIgnored) {
  EXPECT_THAT(CheckGpus("2 x NVIDIA H200").found,
              HasSubstr("2 x NVIDIA H200, not used"));
  DoctorOptions options;
  const auto named = [&options] {
    const std::vector<Finding> findings = Examine(options);
    return std::any_of(
        findings.begin(), findings.end(),
        [](const Finding& finding) { return finding.name == "gpu"; });
  };
  EXPECT_FALSE(named());
  options.gpus = "NVIDIA H200";
  EXPECT_TRUE(named());
}

TEST(DoctorTest, AClockThatIsWrongOrDiffersFromTheFilesIsWarnedOf) {
  const absl::Time now = absl::FromUnixSeconds(1800000000);
  EXPECT_EQ(CheckClock(now, absl::Seconds(1)).verdict, Verdict::kOk);
  EXPECT_EQ(CheckClock(absl::UnixEpoch(), absl::ZeroDuration()).verdict,
            Verdict::kWarn);
  EXPECT_THAT(CheckClock(now, absl::Hours(2)).found,
              HasSubstr("stamped 2h 00m ahead of"));
  EXPECT_THAT(CheckClock(now, -absl::Minutes(2)).found,
              HasSubstr("stamped 2m 00s behind"));
}

TEST(DoctorTest, ADirectoryThatIsStillToBeMadeIsJudgedByItsParent) {
  const TempDir dir;
  for (const Finding& finding : Look(dir.path() + "/not/yet", "")) {
    if (finding.name != "directory") continue;
    EXPECT_EQ(finding.verdict, Verdict::kOk) << finding.found;
    EXPECT_EQ(finding.found, dir.path());
  }
}

}  // namespace
}  // namespace aha::cli
