#include "device/isa.h"

#include <cstdlib>

#include "device/choose_isa.h"
#include "gtest/gtest.h"

namespace aha::ops {
namespace {

TEST(IsaTest, IsWhatTheEnvironmentAsksFor) {
  const char* asked = std::getenv("AHA_CPU_ISA");
  if (asked != nullptr) {
    EXPECT_EQ(NameOf(CurrentIsa()), asked);
  }
  EXPECT_EQ(CurrentIsa(), CurrentIsa());
}

TEST(IsaTest, AProgramMayChooseBeforeItComputes) {
  EXPECT_EQ(ChooseIsa("avx2").value(), Isa::kAvx2);
  EXPECT_EQ(ChooseIsa("").value(), ChooseIsa(nullptr).value());
  EXPECT_EQ(ChooseIsa("emulated_avx512_bf16").value(),
            Isa::kEmulatedAvx512Bf16);
  for (const char* name : {"sse9", "AVX2", "avx2 "}) {
    EXPECT_TRUE(absl::IsInvalidArgument(ChooseIsa(name).status())) << name;
  }
}

TEST(IsaTest, AnEmulatedSetIsNeverChosenUnasked) {
  EXPECT_NE(ChooseIsa(nullptr).value(), Isa::kEmulatedAvx512Bf16);
  EXPECT_TRUE(PrefersBf16(Isa::kEmulatedAvx512Bf16));
  EXPECT_FALSE(RunsAvx512(Isa::kEmulatedAvx512Bf16));
}

TEST(IsaDeathTest, AnUnknownNameIsRefusedWithTheNamesThatExist) {
  ::testing::FLAGS_gtest_death_test_style = "threadsafe";
  EXPECT_EXIT(
      {
        setenv("AHA_CPU_ISA", "sse9", 1);
        CurrentIsa();
      },
      ::testing::ExitedWithCode(kExitRefused),
      "AHA_CPU_ISA must be avx2, avx512, avx512_bf16 or emulated_avx512_bf16, "
      "got sse9");
}

}  // namespace
}  // namespace aha::ops
