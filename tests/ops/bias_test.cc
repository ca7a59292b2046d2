// Tests the biases of projections.
#include "ops/bias.h"

#include <cmath>
#include <tuple>
#include <vector>

#include "tests/ops/testing.h"

namespace aha::ops {
namespace {

class BiasTest
    : public ::testing::TestWithParam<std::tuple<int64_t, int64_t, Device>> {
 protected:
  const int64_t rows_ = std::get<0>(GetParam());
  const int64_t cols_ = std::get<1>(GetParam());
  Machine machine_{std::get<2>(GetParam())};
  const Context context_ = machine_.context();
};

INSTANTIATE_TEST_SUITE_P(Shapes, BiasTest,
                         ::testing::Combine(::testing::Values(1, 31, 70),
                                            ::testing::Values(1, 16, 131),
                                            AllDevices()));

TEST_P(BiasTest, AddsItsNumberToEveryRow) {
  const auto bias = Normal(cols_, 1);
  auto want = Normal(rows_ * cols_, 2), got = want;
  AddBias(ReferenceContext{}, {bias.data(), want.data(), rows_, cols_});
  AddBias(context_, {bias.data(), got.data(), rows_, cols_});
  EXPECT_EQ(DifferingBits(got.data(), want.data(), rows_ * cols_), 0);
}

TEST_P(BiasTest, GradientIsTheSumOverRows) {
  const auto dy = Normal(rows_ * cols_, 1);
  std::vector<float> want(cols_, 7.f), got(cols_, 8.f);
  BiasGrad(ReferenceContext{}, {dy.data(), want.data(), rows_, cols_});
  BiasGrad(context_, {dy.data(), got.data(), rows_, cols_});
  ExpectNear(got, want, ToleranceOf(DType::kF32).gradient,
             std::sqrt(static_cast<double>(rows_)));
}

TEST_P(BiasTest, GradientDoesNotDependOnThreads) {
  const auto dy = Normal(rows_ * cols_, 1);
  std::vector<float> want(cols_), got(cols_);
  BiasGrad(context_, {dy.data(), want.data(), rows_, cols_});
  for (const Context& context : machine_.contexts()) {
    BiasGrad(context, {dy.data(), got.data(), rows_, cols_});
    EXPECT_EQ(DifferingBits(got.data(), want.data(), cols_), 0);
  }
}

TEST_P(BiasTest, GradientOfNoRowsIsZero) {
  std::vector<float> dbias(cols_, 7.f);
  BiasGrad(context_, {nullptr, dbias.data(), 0, cols_});
  EXPECT_EQ(dbias, std::vector<float>(cols_));
}

}  // namespace
}  // namespace aha::ops
