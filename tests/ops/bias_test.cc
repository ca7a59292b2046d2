#include "ops/bias.h"

#include <cmath>
#include <tuple>
#include <vector>

#include "tests/ops/testing.h"

namespace aha::ops {
namespace {

class BiasTest : public ::testing::TestWithParam<std::tuple<int64_t, int64_t>> {
 protected:
  const int64_t rows_ = std::get<0>(GetParam());
  const int64_t cols_ = std::get<1>(GetParam());
};

INSTANTIATE_TEST_SUITE_P(Shapes, BiasTest,
                         ::testing::Combine(::testing::Values(1, 31, 70),
                                            ::testing::Values(1, 16, 131)));

TEST_P(BiasTest, AddsItsNumberToEveryRow) {
  const auto bias = Normal(cols_, 1);
  auto want = Normal(rows_ * cols_, 2), got = want;
  AddBias(RefContext{}, {bias.data(), want.data(), rows_, cols_});
  Cpu cpu(2);
  AddBias(cpu, {bias.data(), got.data(), rows_, cols_});
  EXPECT_EQ(DifferingBits(got.data(), want.data(), rows_ * cols_), 0);
}

TEST_P(BiasTest, GradientIsTheSumOverRows) {
  const auto dy = Normal(rows_ * cols_, 1);
  std::vector<float> want(cols_, 7.f), got(cols_, 8.f);
  BiasGrad(RefContext{}, {dy.data(), want.data(), rows_, cols_});
  Cpu cpu(2);
  BiasGrad(cpu, {dy.data(), got.data(), rows_, cols_});
  ExpectNear(got, want, ToleranceOf(DType::kF32).gradient,
             std::sqrt(static_cast<double>(rows_)));
}

TEST_P(BiasTest, GradientDoesNotDependOnThreads) {
  const auto dy = Normal(rows_ * cols_, 1);
  std::vector<float> want(cols_), got(cols_);
  Cpu one(1), three(3);
  BiasGrad(one, {dy.data(), want.data(), rows_, cols_});
  BiasGrad(three, {dy.data(), got.data(), rows_, cols_});
  EXPECT_EQ(DifferingBits(got.data(), want.data(), cols_), 0);
}

TEST(BiasGradTest, OfNoRowsIsZero) {
  std::vector<float> dbias(3, 7.f);
  Cpu cpu(1);
  BiasGrad(cpu, {nullptr, dbias.data(), 0, 3});
  EXPECT_EQ(dbias, std::vector<float>(3));
}

}  // namespace
}  // namespace aha::ops
