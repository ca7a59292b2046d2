#include <cmath>
#include <functional>
#include <set>
#include <string>

#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "model/certifier.h"
#include "model/policy.h"
#include "tests/model/tiny.h"

namespace aha {
namespace {

using ::testing::HasSubstr;

TEST(CertifyTest, GivesEqualDigestsForAnyThreads) {
  const ModelConfig config = TinyConfig();
  for (const DType dtype : {DType::kF32, DType::kBf16}) {
    const auto one = Certify(config, dtype, ops::Device::kCpu, 1);
    const auto three = Certify(config, dtype, ops::Device::kCpu, 3);
    ASSERT_TRUE(one.ok()) << one.status();
    ASSERT_TRUE(three.ok()) << three.status();
    EXPECT_EQ(one->digest, three->digest);
    EXPECT_EQ(one->digest.size(), 32u);
    EXPECT_THAT(one->numeric_class, HasSubstr("oneDNN"));
  }
  EXPECT_NE(Certify(config, DType::kF32, ops::Device::kCpu, 1)->digest,
            Certify(config, DType::kBf16, ops::Device::kCpu, 1)->digest);
}

TEST(CertifyTest, DistinguishesModels) {
  ModelConfig other = TinyConfig();
  other.intermediate_size = 48;
  EXPECT_NE(Certify(TinyConfig(), DType::kF32, ops::Device::kCpu, 1)->digest,
            Certify(other, DType::kF32, ops::Device::kCpu, 1)->digest);
  other.hidden_size = 0;
  EXPECT_FALSE(Certify(other, DType::kF32, ops::Device::kCpu, 1).ok());
  EXPECT_FALSE(Certify(TinyConfig(), DType::kF32, ops::Device::kCpu, 0).ok());
}

TEST(CertifyTest, EveryFamilyHasADigestOfItsOwnForAnyThreads) {
  std::set<std::string> digests;
  for (const char* model_type : kModelTypes) {
    const ModelConfig config = TinyConfigOf(model_type);
    for (const DType dtype : {DType::kF32, DType::kBf16}) {
      const auto one = Certify(config, dtype, ops::Device::kCpu, 1);
      const auto three = Certify(config, dtype, ops::Device::kCpu, 3);
      ASSERT_TRUE(one.ok()) << one.status();
      ASSERT_TRUE(three.ok()) << three.status();
      EXPECT_EQ(one->digest, three->digest);
      digests.insert(one->digest);
    }
  }
  EXPECT_EQ(digests.size(), 2 * std::size(kModelTypes));
}

int ThreadsOf(const ops::Context& context) {
  return context.Visit([](const auto& device) {
    if constexpr (std::is_same_v<std::decay_t<decltype(device)>,
                                 ops::CpuContext>) {
      return device.pool->threads();
    } else {
      return 1;
    }
  });
}

// Uses kernels whose rows are one number, that of the row.
class CertifierTest : public ::testing::Test {
 protected:
  using Which = Certifier::Which;

  // Returns the `i`th of the last m rows.
  static float Last(int64_t m, int64_t i) {
    return static_cast<float>(Certifier::kRows - m + i);
  }
  absl::Status Check(
      Which which,
      const std::function<float(int threads, int64_t m, int64_t i)>& row) {
    return certifier_.Check(
        "kernel", sizeof(float), which,
        [&](const ops::Context& context, int64_t m, void* out) {
          const int threads = ThreadsOf(context);
          for (int64_t i = 0; i < m; ++i) {
            static_cast<float*>(out)[i] = row(threads, m, i);
          }
        });
  }
  void ExpectRefusal(const absl::Status& status, const std::string& found) {
    EXPECT_TRUE(absl::IsFailedPrecondition(status)) << status;
    EXPECT_THAT(std::string(status.message()),
                HasSubstr("certificate: kernel: a row's bits must not depend "
                          "on its batch, found " +
                          found));
  }

  Certifier certifier_{TinyConfig(), DType::kF32, ops::Device::kCpu, 3};
};

TEST_F(CertifierTest, AKernelThatIgnoresItsBatchPasses) {
  EXPECT_TRUE(Check(Which::kFirst, [](int, int64_t, int64_t i) {
                return static_cast<float>(i);
              }).ok());
  EXPECT_TRUE(Check(Which::kLast, [](int, int64_t m, int64_t i) {
                return Last(m, i);
              }).ok());
}

TEST_F(CertifierTest, AKernelWhoseBitsDependOnTheBatchIsRefused) {
  // The difference is in the last bit of the last row, in a batch of one size.
  const auto in_one_size = [](int, int64_t m, int64_t i) {
    const float row = static_cast<float>(i);
    return m == 37 && i == 36 ? std::nextafter(row, 0.f) : row;
  };
  ExpectRefusal(Check(Which::kFirst, in_one_size),
                "a batch of 37 rows on 1 threads to differ from one of 128");
  // The kernel computes a different row from the requested one.
  ExpectRefusal(Check(Which::kFirst,
                      [](int, int64_t m, int64_t i) { return Last(m, i); }),
                "a batch of 1 rows on 1 threads");
}

TEST_F(CertifierTest, AKernelWhoseBitsDependOnThreadsIsRefused) {
  const auto by_threads = [](int threads, int64_t m, int64_t i) {
    const float row = Last(m, i);
    return threads == 3 && m == 100 ? std::nextafter(row, 0.f) : row;
  };
  ExpectRefusal(Check(Which::kLast, by_threads),
                "a batch of 100 rows on 3 threads to differ from one of 128 "
                "on 1");
}

}  // namespace
}  // namespace aha
