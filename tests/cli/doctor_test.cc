#include "cli/doctor.h"

#include <set>

#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "tests/cli/temp_dir.h"

namespace aha::cli {
namespace {

using ::testing::HasSubstr;
using ::testing::Not;

TEST(DoctorTest, WhatIsNotOkSaysWhatToDo) {
  const TempDir dir;
  for (const Finding& finding :
       Examine({.directory = dir.path(), .bin_dir = dir.path()})) {
    EXPECT_FALSE(finding.found.empty()) << finding.name;
    EXPECT_EQ(finding.advice.empty(), finding.verdict == Verdict::kOk)
        << finding.name;
  }
}

TEST(DoctorTest, MissingProgramsAreAFailure) {
  const TempDir dir;
  for (const Finding& finding :
       Examine({.directory = dir.path(), .bin_dir = dir.path()})) {
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
  EXPECT_THAT(CheckIsa("fpu avx512f avx512_bf16").found, HasSubstr("bf16"));
  EXPECT_THAT(CheckIsa("fpu avx2").found, HasSubstr("fp32"));
  EXPECT_EQ(CheckIsa("fpu").verdict, Verdict::kWarn);
}

}  // namespace
}  // namespace aha::cli
