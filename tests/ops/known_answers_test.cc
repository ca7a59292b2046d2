// Results that a person can compute, on every device.  The other tests compare
// a device with the reference body; these say what the reference must be.
#include <cmath>
#include <cstdint>
#include <vector>

#include "ops/adamw.h"
#include "ops/embedding.h"
#include "ops/rms_norm.h"
#include "ops/rope.h"
#include "ops/swiglu.h"
#include "tests/ops/testing.h"

namespace aha::ops {
namespace {

class KnownAnswersTest : public ::testing::TestWithParam<Device> {
 protected:
  Machine machine_{GetParam()};
  const Context context_ = machine_.context();
};
INSTANTIATE_TEST_SUITE_P(Devices, KnownAnswersTest, AllDevices());

// The mean square of 3 and 4 is 12.5, and that of 0 and 0 leaves epsilon.
TEST_P(KnownAnswersTest, RmsNormDividesByTheRootOfTheMeanSquare) {
  const std::vector<float> x = {3, 4, 0, 0};
  const std::vector<float> gamma = {1, 2};
  std::vector<float> y(4), inv(2);
  RmsNorm(context_, {x.data(), gamma.data(), y.data(), inv.data(), 2, 2, 0.25f,
                     DType::kF32});
  const double root = std::sqrt(12.75);
  EXPECT_NEAR(inv[0], 1 / root, 1e-7);
  EXPECT_NEAR(inv[1], 2, 1e-7);
  EXPECT_NEAR(y[0], 3 / root, 1e-6);
  EXPECT_NEAR(y[1], 8 / root, 1e-6);
  EXPECT_EQ(y[2], 0);
  EXPECT_EQ(y[3], 0);
}

TEST_P(KnownAnswersTest, RmsNormDoesNotFeelTheScaleOfItsInput) {
  const auto x = Normal(64, 1);
  std::vector<float> scaled = x, gamma(64, 1.0f), y(64), of_scaled(64);
  for (float& value : scaled) value *= 1024;
  RmsNorm(context_, {x.data(), gamma.data(), y.data(), nullptr, 1, 64, 0.0f,
                     DType::kF32});
  RmsNorm(context_, {scaled.data(), gamma.data(), of_scaled.data(), nullptr, 1,
                     64, 0.0f, DType::kF32});
  EXPECT_EQ(y, of_scaled) << "a power of two changes no bit";
}

// silu(0) = 0 and silu(x) - silu(-x) = x.
TEST_P(KnownAnswersTest, SwiGluIsTheSiluOfTheGateTimesUp) {
  const std::vector<float> gate_up = {0, 1, -1, 2, /*up:*/ 5, 3, 3, -0.5f};
  std::vector<float> y(4);
  SwiGlu(context_, {gate_up.data(), y.data(), 1, 4, DType::kF32});
  const double silu1 = 1 / (1 + std::exp(-1.0));
  EXPECT_EQ(y[0], 0);
  EXPECT_NEAR(y[1], 3 * silu1, 1e-6);
  EXPECT_NEAR(y[1] - y[2], 3, 1e-6);
  EXPECT_NEAR(y[3], -1 / (1 + std::exp(-2.0)), 1e-6);
}

// Position 0 turns nothing; at position p the first pair turns by p radians.
TEST_P(KnownAnswersTest, RopeTurnsPairsByTheirAngle) {
  const RopeTable table(10, 4, 10000);
  const std::vector<int32_t> positions = {0, 3};
  std::vector<float> x = {1, 2, 3, 4, 1, 0, 0, 1};
  Rope(context_, {x.data(), positions.data(), &table, 2, 1, 4});
  for (int i = 0; i < 4; ++i) EXPECT_EQ(x[i], i + 1.0f);
  // (1, 0) by 3 radians; (0, 1) by 3 * 10000^(-1/2).
  EXPECT_NEAR(x[4], std::cos(3.0), 1e-6);
  EXPECT_NEAR(x[6], std::sin(3.0), 1e-6);
  EXPECT_NEAR(x[5], -std::sin(0.03), 1e-6);
  EXPECT_NEAR(x[7], std::cos(0.03), 1e-6);
}

// What attention sees of two turned vectors is their distance alone.
TEST_P(KnownAnswersTest, RopeMakesProductsDependOnTheDistance) {
  constexpr int64_t kDim = 16;
  const RopeTable table(100, kDim, 10000);
  const auto q = Normal(kDim, 1), k = Normal(kDim, 2);
  const auto product = [&](int32_t at_q, int32_t at_k) {
    auto turned_q = q, turned_k = k;
    Rope(context_, {turned_q.data(), &at_q, &table, 1, 1, kDim});
    Rope(context_, {turned_k.data(), &at_k, &table, 1, 1, kDim});
    return Dot(turned_q, turned_k);
  };
  const double near = product(5, 3);
  for (const int32_t shift : {0, 1, 40, 90}) {
    EXPECT_NEAR(product(5 + shift, 3 + shift), near, 1e-5) << shift;
  }
  EXPECT_GT(std::abs(product(5, 4) - near), 1e-3) << "another distance";
}

// The first update of Adam moves each parameter by the learning rate, whatever
// the size of its gradient.
TEST_P(KnownAnswersTest, AdamWsFirstStepIsTheLearningRate) {
  const std::vector<int64_t> sums = {4, -1'000'000, 0};
  std::vector<float> p = {1, 1, 1}, m(3), v(3);
  AdamWArgs args{};
  args.sums = sums.data();
  args.gradient_scale = 0.5;
  args.master = p.data();
  args.m = m.data();
  args.v = v.data();
  args.weights = p.data();
  args.count = 3;
  args.dtype = DType::kF32;
  args.learning_rate = 0.125;
  args.beta1 = 0.9;
  args.beta2 = 0.99;
  args.epsilon = 1e-12;
  args.weight_decay = 0;
  args.t = 1;
  AdamW(context_, args);
  EXPECT_NEAR(p[0], 1 - 0.125, 1e-6);
  EXPECT_NEAR(p[1], 1 + 0.125, 1e-6);
  EXPECT_EQ(p[2], 1) << "without a gradient nothing moves";
  EXPECT_NEAR(m[0], 0.1 * 2, 1e-6);
  EXPECT_NEAR(v[0], 0.01 * 4, 1e-6);
}

TEST_P(KnownAnswersTest, WeightDecayShrinksWithoutAGradient) {
  const std::vector<int64_t> sums = {0, 0};
  std::vector<float> p = {2, -4}, m(2), v(2);
  AdamWArgs args{};
  args.sums = sums.data();
  args.gradient_scale = 1;
  args.master = p.data();
  args.m = m.data();
  args.v = v.data();
  args.weights = p.data();
  args.count = 2;
  args.dtype = DType::kF32;
  args.learning_rate = 0.5;
  args.beta1 = 0.9;
  args.beta2 = 0.99;
  args.epsilon = 1e-8;
  args.weight_decay = 0.25;
  args.t = 1;
  AdamW(context_, args);
  EXPECT_NEAR(p[0], 2 * (1 - 0.125), 1e-6);
  EXPECT_NEAR(p[1], -4 * (1 - 0.125), 1e-6);
}

TEST_P(KnownAnswersTest, SumsOfSquaresAreExactForSmallNumbers) {
  const std::vector<int64_t> sums = {3, -4, 0, 12};
  EXPECT_EQ(SumOfSquares(context_, sums.data(), 4), 169.0);
  EXPECT_EQ(SumOfSquares(context_, sums.data(), 0), 0.0);
  double blocks[1] = {7};
  BlockSumsOfSquares(context_, sums.data(), 4, blocks);
  EXPECT_EQ(blocks[0], 169.0);
}

TEST_P(KnownAnswersTest, TheGradientOfAnEmbeddingAddsEqualTokens) {
  const std::vector<int32_t> tokens = {2, 0, 2};
  const std::vector<float> dy = {1, 2, 10, 20, 100, 200};
  std::vector<float> dtable(6, 0.5f);
  EmbeddingGrad(context_, {tokens.data(), dy.data(), dtable.data(), 3, 2});
  EXPECT_EQ(dtable,
            (std::vector<float>{10.5f, 20.5f, 0.5f, 0.5f, 101.5f, 202.5f}));
}

}  // namespace
}  // namespace aha::ops
