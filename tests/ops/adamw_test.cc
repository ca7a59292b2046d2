#include "ops/adamw.h"

#include <bit>
#include <cmath>
#include <cstring>
#include <tuple>
#include <vector>

#include "ops/split_master.h"
#include "tests/ops/testing.h"

namespace aha::ops {
namespace {

constexpr double kUnit = 0x1p-40;

struct State {
  explicit State(int64_t count, DType dtype)
      : master(Normal(count, 1)),
        m(Normal(count, 2, 0.1f)),
        v(Normal(count, 3)),
        weights(count, dtype) {
    for (float& x : v) x *= x;
    for (const float g : Normal(count, 4)) {
      sums.push_back(static_cast<int64_t>(g / kUnit));
    }
  }
  AdamWArgs Args(DType dtype) {
    return {sums.data(),
            0.37 * kUnit,
            master.data(),
            m.data(),
            v.data(),
            weights.data(),
            static_cast<int64_t>(sums.size()),
            dtype,
            1e-3,
            0.9,
            0.95,
            1e-8,
            0.1,
            5};
  }
  std::vector<int64_t> sums;
  std::vector<float> master, m, v;
  Tensor weights;
};

class AdamWTest : public ::testing::TestWithParam<std::tuple<DType, Device>> {
 protected:
  const DType dtype_ = std::get<0>(GetParam());
  Machine machine_{std::get<1>(GetParam())};
  const Context context_ = machine_.context();
};
INSTANTIATE_TEST_SUITE_P(Formats, AdamWTest,
                         ::testing::Combine(::testing::Values(DType::kF32,
                                                              DType::kBf16),
                                            AllDevices()));

class AdamWOnDevice : public ::testing::TestWithParam<Device> {
 protected:
  Machine machine_{GetParam()};
  const Context context_ = machine_.context();
};
INSTANTIATE_TEST_SUITE_P(Devices, AdamWOnDevice, AllDevices());

TEST_P(AdamWTest, AgreesWithReference) {
  for (const int64_t count : {1, 15, 16, 17, 40000}) {
    State want(count, dtype_), got(count, dtype_);
    AdamW(ReferenceContext{}, want.Args(dtype_));
    AdamW(context_, got.Args(dtype_));
    const double tolerance = ToleranceOf(DType::kF32).row;
    ExpectNear(got.master, want.master, tolerance);
    ExpectNear(got.m, want.m, tolerance);
    ExpectNear(got.v, want.v, tolerance);
    ExpectNear(got.weights.Floats(), want.weights.Floats(),
               ToleranceOf(dtype_).row);
  }
}

TEST_P(AdamWTest, BitsDependNeitherOnThreadsNorOnTheRangesCut) {
  constexpr int64_t kCount = 100003, kCut = 33333;
  State whole(kCount, dtype_), parts(kCount, dtype_);
  const Context one = machine_.contexts().front();
  AdamW(machine_.contexts().back(), whole.Args(dtype_));
  AdamWArgs args = parts.Args(dtype_);
  args.count = kCut;
  AdamW(one, args);
  args = {parts.sums.data() + kCut,
          args.gradient_scale,
          parts.master.data() + kCut,
          parts.m.data() + kCut,
          parts.v.data() + kCut,
          parts.weights.at(kCut),
          kCount - kCut,
          dtype_,
          1e-3,
          0.9,
          0.95,
          1e-8,
          0.1,
          5};
  AdamW(one, args);
  EXPECT_EQ(DifferingBits(whole.master.data(), parts.master.data(), kCount), 0);
  EXPECT_EQ(DifferingBits(whole.m.data(), parts.m.data(), kCount), 0);
  EXPECT_EQ(DifferingBits(whole.v.data(), parts.v.data(), kCount), 0);
}

TEST(SplitMasterTest, EveryNumberComesBack) {
  int64_t ups = 0;
  for (uint32_t high = 0; high < 0x10000; ++high) {
    for (const uint32_t low : {0u, 1u, 0x7fffu, 0x8000u, 0x8001u, 0xffffu}) {
      const float x = std::bit_cast<float>(high << 16 | low);
      if (std::isnan(x)) continue;
      const SplitMaster split = SplitMasterWeight(x);
      ASSERT_EQ(split.rounded.bits, ToBf16(x).bits);
      ASSERT_EQ(std::bit_cast<uint32_t>(JoinMasterWeight(split)),
                high << 16 | low);
      ups += split.tie_went_up;
    }
  }
  EXPECT_GT(ups, 30000);  // Half of the ties: the bit is needed.
}

// Also where a number lies half-way between two bf16 ones, before the update
// or after it.
TEST_P(AdamWOnDevice, ASplitMasterHasTheBitsOfAWholeOne) {
  constexpr int64_t kCount = 20005;
  State whole(kCount, DType::kBf16);
  for (size_t i = 0; i < whole.master.size(); i += 3) {
    const uint32_t bits = std::bit_cast<uint32_t>(whole.master[i]);
    whole.master[i] = std::bit_cast<float>((bits & 0xffff0000) | 0x8000);
    if (i % 2 == 0) whole.sums[i] = 0;  // Stays, but for the decay.
  }
  std::vector<Bf16> rounded(kCount), weights(kCount);
  std::vector<uint16_t> low(kCount);
  std::vector<float> m = whole.m, v = whole.v;
  for (int64_t i = 0; i < kCount; ++i) {
    const SplitMaster split = SplitMasterWeight(whole.master[i]);
    rounded[i] = split.rounded;
    low[i] = split.low;
    if (split.tie_went_up) v[i] = -v[i];
  }
  for (const double decay : {0.0, 0.1}) {
    AdamWArgs args = whole.Args(DType::kBf16);
    args.weight_decay = decay;
    args.learning_rate = decay;  // First only the ties' own way there and back.
    AdamW(context_, args);
    args.master = nullptr;
    args.rounded = rounded.data();
    args.low = low.data();
    args.m = m.data();
    args.v = v.data();
    args.weights = weights.data();
    AdamW(context_, args);
    for (int64_t i = 0; i < kCount; ++i) {
      const float joined =
          JoinMasterWeight({weights[i], low[i], std::signbit(v[i])});
      ASSERT_EQ(DifferingBits(&joined, &whole.master[i], 1), 0) << i;
      const float second = std::fabs(v[i]);
      ASSERT_EQ(DifferingBits(&second, &whole.v[i], 1), 0) << i;
    }
    EXPECT_EQ(DifferingBits(m.data(), whole.m.data(), kCount), 0);
    EXPECT_EQ(std::memcmp(weights.data(), whole.weights.data(), 2 * kCount), 0);
    rounded = weights;
  }
}

TEST_P(AdamWOnDevice, SumOfSquaresIsAccurateForAnyNumberOfThreads) {
  for (const int64_t count : {0, 1, 17, 100003}) {
    State state(count, DType::kF32);
    long double want = 0;
    for (const int64_t x : state.sums) {
      want += static_cast<long double>(x) * static_cast<long double>(x);
    }
    const double got = SumOfSquares(context_, state.sums.data(), count);
    EXPECT_NEAR(got, static_cast<double>(want),
                1e-14 * static_cast<double>(want));
    for (const Context& context : machine_.contexts()) {
      EXPECT_EQ(got, SumOfSquares(context, state.sums.data(), count));
    }
  }
}

TEST(SumOfSquaresTest, BlocksThatAreSummedApartGiveTheSameBits) {
  constexpr int64_t kCount = 5 * kSquaresBlock + 77;
  State state(kCount, DType::kF32);
  Cpu cpu(2);
  for (const int64_t cut : {int64_t{0}, kSquaresBlock, 4 * kSquaresBlock}) {
    std::vector<double> squares(6);
    BlockSumsOfSquares(cpu, state.sums.data(), cut, squares.data());
    BlockSumsOfSquares(cpu, state.sums.data() + cut, kCount - cut,
                       squares.data() + cut / kSquaresBlock);
    double total = 0;
    for (const double square : squares) total += square;
    EXPECT_EQ(total, SumOfSquares(cpu, state.sums.data(), kCount)) << cut;
  }
}

}  // namespace
}  // namespace aha::ops
