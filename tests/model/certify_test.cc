#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "model/policy.h"
#include "tests/model/tiny.h"

namespace aha {
namespace {

using ::testing::HasSubstr;

TEST(CertifyTest, GivesEqualDigestsForAnyThreads) {
  const ModelConfig config = TinyConfig();
  for (const DType dtype : {DType::kF32, DType::kBf16}) {
    const auto one = Certify(config, dtype, 1);
    const auto three = Certify(config, dtype, 3);
    ASSERT_TRUE(one.ok()) << one.status();
    ASSERT_TRUE(three.ok()) << three.status();
    EXPECT_EQ(one->digest, three->digest);
    EXPECT_EQ(one->digest.size(), 32u);
    EXPECT_THAT(one->numeric_class, HasSubstr("oneDNN"));
  }
  EXPECT_NE(Certify(config, DType::kF32, 1)->digest,
            Certify(config, DType::kBf16, 1)->digest);
}

TEST(CertifyTest, TellsModelsApart) {
  ModelConfig other = TinyConfig();
  other.intermediate_size = 48;
  EXPECT_NE(Certify(TinyConfig(), DType::kF32, 1)->digest,
            Certify(other, DType::kF32, 1)->digest);
  other.hidden_size = 0;
  EXPECT_FALSE(Certify(other, DType::kF32, 1).ok());
  EXPECT_FALSE(Certify(TinyConfig(), DType::kF32, 0).ok());
}

}  // namespace
}  // namespace aha
